"""The controller: the engineer's desk and the server. They meet over HTTP only."""
