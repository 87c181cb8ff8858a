"""What an agent keeps over power cuts: installed modules, trust, compiled code."""
