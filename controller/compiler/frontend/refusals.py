"""Why operators are refused that no later version will compile either, and what to do instead."""

_CHANCE = (
    "a module has no source of chance",
    "draw outside of the model and give the draws as an input",
)
_TEXT = ("modules have no strings", "do it before or after the model")
_LIST = ("a sequence has no size that is known when compiling", "export the model with tensors")

REASONS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        (
            "Bernoulli",
            "Multinomial",
            "RandomNormal",
            "RandomNormalLike",
            "RandomUniform",
            "RandomUniformLike",
        ),
        _CHANCE,
    ),
    **dict.fromkeys(("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit"), _TEXT),
    **dict.fromkeys(
        (
            *("ConcatFromSequence", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase"),
            *("SequenceInsert", "SequenceLength", "SequenceMap", "SplitToSequence"),
        ),
        _LIST,
    ),
    "ImageDecoder": (
        "a module decodes no image files",
        "decode before the model and give it the pixels",
    ),
    "MelWeightMatrix": ("its sizes are computed at run time", "make its inputs constants: then it is folded"),
}
"""By operator of ONNX: why, and the remedy."""
