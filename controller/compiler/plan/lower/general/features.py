"""Models that are no networks: n-grams and trees."""

from controller.compiler.plan.lower.common import Lowering, Site
from controller.compiler.plan.lower.general.common import c_type, instance, suffix
from controller.compiler.plan.lower.general.reduction import limits
from controller.compiler.plan.steps import Slot, Step

_WEIGHTINGS = {"TF": "((void)(w), n)", "IDF": "(n > 0 ? w : 0.0f)", "TFIDF": "(n * w)"}


def tf_idf(site: Site) -> Step:
    """TfIdfVectorizer."""
    x, grams, mode = site.tensor(0), site.tensor(1), site.node.attrs["mode"]
    params = {
        "rows": x.size // x.shape[-1],
        "length": x.shape[-1],
        "grams": grams.shape[0],
        "skips": site.node.attrs["skips"],
        "columns": site.out.shape[-1],
    }
    call = instance(
        "tf_idf.h",
        f"fleet_{mode.lower()}_{suffix(x.dtype)}",
        "fleet_tf_idf",
        params,
        (*(site.argument(index) for index in range(4)), Slot(site.out.name)),
        X=c_type(x.dtype),
        **{"LAST(n, w)": _WEIGHTINGS[mode]},
    )
    return site.step(call)


def tree_ensemble(site: Site) -> Step:
    """TreeEnsemble."""
    x, roots, gather = site.tensor(0), site.tensor(1), site.node.attrs["gather"]
    c = c_type(x.dtype)
    least, most = limits(x.dtype)
    params = {
        "rows": x.shape[0],
        "features": x.shape[1],
        "trees": roots.size,
        "targets": site.out.shape[1],
    }
    rules = {
        "SUM": ("0", "((a) + (v))"),
        "AVERAGE": ("0", f"((a) + (v) / ({c}){roots.size})"),
        "MIN": (most, "((v) < (a) ? (v) : (a))"),
        "MAX": (least, "((a) < (v) ? (v) : (a))"),
    }
    first, step = rules[gather]
    trees = f"_{roots.size}" if gather == "AVERAGE" else ""
    call = instance(
        "tree_ensemble.h",
        f"fleet_tree_{gather.lower()}{trees}_{suffix(x.dtype)}",
        "fleet_tree_ensemble",
        params,
        (*(site.argument(index) for index in range(8)), Slot(site.out.name)),
        X=c,
        FIRST=first,
        **{"GATHER(a, v)": step},
    )
    return site.step(call)


LOWERINGS: dict[str, Lowering] = {"TfIdfVectorizer": tf_idf, "TreeEnsemble": tree_ensemble}
