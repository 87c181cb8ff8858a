"""Looking inside a module: how long its layers take, where they first go wrong, what lies where.

profile     time, work and bytes of each layer, against what the machine can do
compare     the module beside the oracle, layer by layer
memory      who needs which bytes of the arena, and when
weights     what quantization did to the weights
pages       self-contained HTML of all of these
"""
