"""The page of the study of symmetry: every number of it from the table."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from singular.analysis.markdown import markdown
from singular.analysis.null_space import LARGEST_ANGLE
from singular.analysis.studies.cells import WITHIN
from singular.analysis.studies.symmetry_points import REGULAR
from singular.analysis.thresholds import ZERO_SINGULAR_VALUE


def text(table: pd.DataFrame) -> str:
    """Return the page, every number of it from the table."""
    points = table[table["point"] != "posterior"]
    wide = points[points["method"] == ""].pivot(index=["problem", "point"], columns="quantity", values="value")
    paragraphs = [
        "A direction is null if the Fisher information gives it no weight: to first order, moving along it changes no "
        "prediction. The best known reason is a symmetry, such as a scale that two layers may share out as they like. "
        "Each model declares its continuous symmetries as vector fields; here their tangents are held against the null "
        f"space at {len(wide)} exact optima of {wide.index.get_level_values('problem').nunique()} models, generic ones "
        "and such at which more than usual is degenerate. In the picture each row is one optimum and each mark one "
        "eigenvalue: bars are directions that data see, dots are null directions that a generator explains, open "
        "diamonds null directions that none does. At the right the dimension of some models is counted by each way.",
        _generators(points, wide),
        _controls(wide),
        _left_over(points, wide),
        _coefficients(points),
        "Mixtures are taken where components merge. Where one dies its weight is 0, on the edge of the simplex, which "
        "no point of the unconstrained space maps to: no Fisher information is taken there.",
        _dimensions(table[table["point"] == "posterior"]),
    ]
    return "\n\n".join(paragraphs) + "\n\n" + markdown(shown(table)) + "\n\n" + markdown(dimensions_shown(table))


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a point, as people read it."""
    rows = []
    for (name, point), own in table[table["point"] != "posterior"].groupby(["problem", "point"], sort=False):
        one = own.set_index(["quantity", "method"])["value"]
        plain = own[own["method"] == ""].set_index("quantity")["value"]
        rows.append(
            {
                "model": name,
                "optimum": point,
                "d": f"{plain['d']:.0f}",
                "rank": f"{plain['rank']:.0f}",
                "null": f"{plain['null']:.0f}",
                "generators": f"{plain['tangents']:.0f}",
                "largest angle": f"{plain['largest angle']:.1e}" if plain["tangents"] else "–",
                "left over": f"{plain['left over']:.0f}",
                "along: order straight, reduced": _orders(own),
                "½ rank + 1/order": _number(one.get(("coefficient", "½ rank + 1/order"))),
                "λ": _number(one.get(("coefficient", "exact λ of the model"))),
                "flags": own["flags"].iloc[0],
            }
        )
    return pd.DataFrame(rows)


def dimensions_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a sampled model: its dimension by each way."""
    rows = table[table["point"] == "posterior"]
    wide = rows.pivot(index="problem", columns="method", values="value").reindex(rows["problem"].unique())
    ours = rows[rows["method"] == "2 λ by WBIC"].set_index("problem")
    flags = rows[rows["flags"] != ""].groupby("problem")["flags"].agg(lambda told: "; ".join(dict.fromkeys(told)))
    told = {
        "model": wide.index,
        "d = BIC's": wide["d"].map("{:.0f}".format),
        "rank": wide["rank"].map("{:.0f}".format),
        "rank, posterior draws (median)": wide["median rank over posterior draws"].map("{:g}".format),
        "spectrum against prior": wide["spectrum"].map("{:.2f}".format),
        "2λ": wide["2 λ"].map("{:.3f}".format),
        "2λ by WBIC": [f"{ours['value'][name]:.3f} ± {ours['mcse'][name]:.3f}" for name in wide.index],
        "its exact value": ["" if np.isnan(e := ours["exact"][name]) else f"{e:.3f}" for name in wide.index],
        "flags": flags.reindex(wide.index).fillna(""),
    }
    return pd.DataFrame(told).reset_index(drop=True)


def _number(value: float | None) -> str:
    return "" if value is None else f"{float(value):.4g}"


def _orders(own: pd.DataFrame) -> str:
    """Return the orders of a point's left-over directions, those of equal orders together."""
    orders = own[own["quantity"] == "order"].set_index("method")["value"]
    along: dict[str, list[str]] = {}
    for method in orders.index:
        name = method.removeprefix("straight along ")
        if name != method:
            both = f"{_power(orders, method)}, {_power(orders, f'reduced along {name}')}"
            along.setdefault(both, []).append(name)
    told = [f"{' and '.join(names)}: {both}" for both, names in along.items()]
    if "generic straight" in orders:
        told.append(f"generic: {_power(orders, 'generic straight')}, {_power(orders, 'generic reduced')}")
    return "; ".join(told)


def _power(orders: pd.Series, method: str) -> str:
    value = float(orders[method])
    return "∞" if math.isinf(value) else "?" if math.isnan(value) else f"{value:g}"


def _generators(points: pd.DataFrame, wide: pd.DataFrame) -> str:
    moved = wide[wide["tangents"] > 0]
    good = moved[moved["largest angle"] < LARGEST_ANGLE]
    bad = ", ".join(f"{name} ({point})" for name, point in moved.index.difference(good.index))
    unclear = points[points["flags"].str.contains("not clear")].groupby(["problem", "point"]).ngroups
    simulated = points[points["flags"].str.contains("simulated")].groupby(["problem", "point"]).ngroups
    return (
        f"**The generators lie in the null space.** At {len(moved)} of these points some generator moves the point; at "
        f"{len(good)} of them, of {good.index.get_level_values('problem').nunique()} models, the largest principal "
        f"angle between tangents and null space is below {LARGEST_ANGLE:g}{f' (not at {bad})' if bad else ''}: the "
        f"largest of all is {moved['largest angle'].max():.1e}. Ranks count singular values of the factor above "
        f"{ZERO_SINGULAR_VALUE:g} of the largest; the narrowest gap is a factor of {wide['gap'].min():.1e}, and "
        f"{unclear} ranks are not clear. At {simulated} points scores are simulated: a null direction is null for "
        "every observation, so that this "
        "moves the positive eigenvalues alone."
    )


def _controls(wide: pd.DataFrame) -> str:
    controls = wide[wide.index.get_level_values("point").str.startswith(REGULAR)]
    mapped = wide[wide["discrete maps"] > 0]
    null = int(controls["null"].sum())
    told = "no null direction" if null == 0 else f"{null} null directions, against expectation,"
    changed = int(wide["images of another rank"].sum())
    maps = {name: int(row["discrete maps"]) for (name, _), row in controls.iterrows()}
    listed = ", ".join(f"{name}: {count} {'map' if count == 1 else 'maps'}" for name, count in maps.items())
    return (
        f"**Discrete symmetries give none.** The {len(controls)} regular controls ({listed}) have {told} although "
        "signs and labels may be changed: the images of an optimum under such a map lie apart. Over all "
        f"{len(mapped)} points with discrete maps, {int(mapped['discrete maps'].sum())} images were taken; "
        + ("each has the rank of its original." if changed == 0 else f"{changed} have another rank.")
    )


def _left_over(points: pd.DataFrame, wide: pd.DataFrame) -> str:
    over = wide[wide["left over"] > 0]
    orders = points[points["quantity"] == "order"]
    straight = orders[orders["method"].str.startswith("straight along ")]["value"].to_numpy()
    along = orders[orders["method"].str.startswith("reduced along ")]
    reduced = along["value"].to_numpy()
    line = int(np.isinf(straight).sum())
    curve = int((np.isinf(reduced) & np.isfinite(straight)).sum())
    finite = np.isfinite(reduced)
    kinds = ", ".join(f"{int((reduced[finite] == k).sum())} of order {k:g}" for k in np.unique(reduced[finite]))
    unknown = int(np.isnan(reduced).sum())
    flat = set(map(tuple, along.loc[np.isinf(along["value"]), ["problem", "point"]].drop_duplicates().to_numpy()))
    generic = orders[orders["method"] == "generic reduced"]
    rising = set(map(tuple, generic.loc[np.isfinite(generic["value"]), ["problem", "point"]].to_numpy()))
    meet, wider = sorted(flat & rising), sorted(flat - rising)
    explained = int(wide["null"].sum() - wide["left over"].sum())
    told = (
        f"**Not every null direction is a symmetry.** Of {int(wide['null'].sum())} null directions the generators span "
        f"{explained}; {int(wide['left over'].sum())} are left over, at {len(over)} points: singular beyond symmetry. "
        "The order of vanishing tells what they are. K is followed along the direction, straight on and with all "
        f"coordinates of the range free to follow (the splitting lemma). {line} are lines of optima, and {curve} more "
        f"are tangent to a curve of optima; the others rise with a power of t: {kinds or 'none'}"
        f"{f'; {unknown} could not be read' if unknown else ''}. At {len(meet)} of the {len(flat)} points with flat "
        "directions a generic combination of all that is left over rises all the same: several parts of the optimal "
        "set meet there, each with directions of its own, and the null space, which holds them all, is the tangent "
        "space of none"
    )
    if wider:
        told += (
            f". At {len(wider)} ({', '.join(f'{name}: {point}' for name, point in wider)}) it does not, or there is "
            "but one: the optimal set is wider there than the orbit of the point"
        )
    return told + "."


def _coefficients(points: pd.DataFrame) -> str:
    both = points[points["quantity"] == "coefficient"].pivot(
        index=["problem", "point"], columns="method", values="value"
    )
    both = both.reindex(columns=["½ rank + 1/order", "exact λ of the model"]).dropna()
    ours, exact = both["½ rank + 1/order"], both["exact λ of the model"]
    same = np.isclose(ours, exact)
    above = both[~same & (ours > exact)]
    below = both[~same & (ours < exact)]
    listed = ", ".join(
        f"{name} {point}: {row.iloc[0]:g} against λ = {row.iloc[1]:g}" for (name, point), row in above.iterrows()
    )
    told = (
        "**What this says of λ.** Where the generators leave at most one direction, K near the point is a sum of as "
        "many squares as the rank is, plus one power of the order found, and half the rank plus 1/order is the "
        "coefficient of the point, if the generators move it to others of its kind. It is the exact λ of the model at "
        f"{int(same.sum())} of {len(both)} such points"
    )
    if len(above):
        told += f"; at {len(above)} it is larger, since another point of the optimal set is more singular ({listed})"
    if len(below):
        told += f"; at {len(below)} it is smaller, which no point can be: there the directions do not come apart"
    return told + "."


def _dimensions(rows: pd.DataFrame) -> str:
    wide = rows.pivot(index="problem", columns="method", values="value")
    held = rows[rows["z"].notna()]
    inside = int((held["z"].abs() <= WITHIN).sum())
    over = wide[~np.isclose(wide["rank"], wide["2 λ"])]
    generic = wide[wide["median rank over posterior draws"] > wide["rank"]]
    below = int((wide["2 λ by WBIC"] < wide["d"]).sum())
    return (
        f"**Which dimension?** BIC counts d. The rank at the optimum is 2λ in {len(wide) - len(over)} of {len(wide)} "
        f"models and another number in {len(over)} ({', '.join(over.index) or 'none'}). Away from the optimum the rank "
        f"rises: in {len(generic)} models ({', '.join(generic.index) or 'none'}) it is larger at the median posterior "
        "draw than at the optimum, since only symmetries that hold everywhere keep it down; an average of the "
        "information over the posterior misses the singularity. WBIC's 2λ is that of a finite n = "
        f"{int(rows['n'].iloc[0])} and follows the exact value of the same data within {WITHIN:g} errors in {inside} "
        f"of {len(held)} models that have one (z {held['z'].min():+.1f} to {held['z'].max():+.1f}); it is no estimate "
        f"of the limit 2λ, and in {below} of {len(wide)} models it is below d. {int((rows['flags'] != '').sum())} of "
        "these numbers carry a flag."
    )
