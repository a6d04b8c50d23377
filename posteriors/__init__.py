"""Every way to get a tempered posterior, the exact oracles beside it, and the store."""

from singular.posteriors.ladder import ladder, wbic_beta
from singular.posteriors.layout import rung
from singular.posteriors.precision import x64
from singular.posteriors.temper import temper

__all__ = ["ladder", "rung", "temper", "wbic_beta", "x64"]
