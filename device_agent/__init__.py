"""The Linux agent: it converges on the signed state its controller wants, and serves inference meanwhile."""
