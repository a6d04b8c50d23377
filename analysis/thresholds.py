"""The limits from which a number is flagged, each with its reason.

A flag is a reason to distrust a number, no proof that it is wrong. `make validate-flags` counts how often wrong
numbers carry none and right ones do, on seeds that no limit was chosen on.
"""

# --- the draws of one rung -------------------------------------------------------------------------------------

MINIMUM_ESS = 400.0
"""Bulk ESS of nll: 100 for each of 4 chains, without which R̂ and ESS are too noisy to be believed themselves
(Vehtari et al., 2021)."""
MAXIMUM_RHAT = 1.01
"""Rank-normalised split R̂ of nll (Vehtari et al., 2021)."""
MAXIMUM_DIVERGING = 0.1
"""Share of divergent NUTS steps, for a flag without further evidence.

A divergent trajectory is cut short, which leaves the step exact and the region behind the cut to other moves; here
draws of the prior keep coming down the ladder to it. Where optimal sets cross, a few in a hundred steps diverge and
errors hold; a tenth says that the step size, which is adapted to an acceptance of 0.9, does not suit the rung."""
SUSPECT_DIVERGING = 0.01
"""Share of divergent steps for a flag if the rung also disagrees with a neighbour by `SUSPECT_DISAGREEMENT`."""
MAXIMUM_SATURATED = 0.1
"""Share of NUTS trees that reached ``max_tree_depth``: these trajectories were stopped by the limit, not by a
U-turn. The step stays exact; in more than a tenth of the steps it is a shorter one than the rung needs."""

# --- rungs together --------------------------------------------------------------------------------------------

MAXIMUM_DISAGREEMENT = 4.0
"""How far, in its own errors, the ratio of two neighbours' nll densities may be from the known one.

Two-sided chance is 6e-5 for a pair, 1e-3 for a ladder of 16 rungs."""
SUSPECT_DISAGREEMENT = 3.0
"""The same for a rung that diverges as well (chance 3e-3)."""
MINIMUM_SWAP_ACCEPTANCE = 0.1
"""Mean swap probability of a pair of rungs: below, replicas pass so rarely that the rungs above are alone."""
MINIMUM_OVERLAP = 0.03
"""MBAR overlap of neighbours: the limit of Klimovich, Shirts and Mobley (2015), put on the overlap over the geometric
mean of the two self-overlaps, so that close rungs may share theirs."""
MINIMUM_ROUND_TRIPS = 25
"""Trips of replicas from β = 0 to the top and back, over all chains.

Each brings a draw of the prior to the top. Where two regions are joined through the prior alone, the share of
each rests on about so many independent choices: with 25 its standard deviation is up to 0.5/√25 = 0.1."""
MAXIMUM_DISCRETISATION = 1.0
"""Discretisation error in units of mcse: above, more draws would not help."""

# --- tails -----------------------------------------------------------------------------------------------------

HEAVY_TAIL = 0.7
"""Pareto k̂ above which means converge too slowly for any error to show it (Vehtari et al., 2024)."""
NO_MEAN = 1.0
"""Pareto k̂ from which the mean does not exist."""
MINIMUM_TAIL = 25
"""Draws below which no tail is fitted."""

# --- control variates ------------------------------------------------------------------------------------------

ROUNDS_PER_CONTROL = 20
"""Rounds for each control that is fitted: with p controls fitted on N independent rounds the variance left is larger
by a factor of about 1 + p/N, five per cent here, and more where the controls have long tails."""
LARGEST_SHARE = 0.5
"""Share of one draw in a control's sum of squares above which the control is left out: its coefficient would rest on
that draw more than on all others."""

# --- the error bar itself --------------------------------------------------------------------------------------

MINIMUM_EFFECTIVE = 100.0
"""Effective draws, (sd/mcse)², of the series an error is read off.

The normal law of the error then holds to about 1/√100 times the skewness, and the error is itself known to ten
per cent or so."""
BLOCKS = 8
"""Blocks of each chain: long enough (125 of 1000 draws) to be nearly independent, with 4 chains as many (32) as
tell their own spread to 13 %."""
MINIMUM_BLOCK = 10
"""Draws in a block below which blocks say nothing of their own."""
FALSE_ALARM = 1e-4
"""Chance that blocks, or chains, of a good series are told to disagree. A summary holds some 50 estimates."""

LEFT_OUT = 0.1
"""Share of the chains, the furthest apart, that have no say in how correlated blocks of one chain are."""
SECOND_LAG = 16
"""Chains from which the covariance of blocks is taken to the second lag: of fewer it is noise, which hides a chain that
stands apart."""

# --- data sets -------------------------------------------------------------------------------------------------------

FEW_DATA_SETS = 5
"""Data sets below which an error over them is flagged: with 5, it is itself uncertain by a third."""

# --- predictive criteria ---------------------------------------------------------------------------------------------

LARGE_VARIANCE = 0.4
"""Posterior variance of one observation's log-likelihood above which WAIC is flagged (Vehtari, Gelman, Gabry, 2017)."""
MINIMUM_SHARED = 100.0
"""Draws a mean of likelihoods must rest on, (Σ p)² / Σ p²: with fewer its log is biased by 1/200 and more, which is
what the delta method leaves out."""

# --- learning coefficients -------------------------------------------------------------------------------------------

MAXIMUM_DRIFT = 1.5
"""γ E‖z − z*‖²/d above which the draws have left the centre: the localiser alone gives 1, and a likelihood
that is highest at the centre pulls below it."""
MAXIMUM_PULL = 0.1
"""Share of the estimate that γ may move when it grows by a factor e; for a quadratic potential of curvature h
the share is γ/(nβh + γ), which is also the share that the localiser has taken away."""
MAXIMUM_MULTIPLICITY_ERROR = 0.5
"""Error of m − 1, a whole number, above which it says nothing of the multiplicity."""

# --- normal approximations -------------------------------------------------------------------------------------------

NEARLY_SINGULAR = 1e-10
"""Smallest over largest eigenvalue of a Hessian below which it counts as singular: about what rounding leaves."""
FAR_FROM_NORMAL = 1.0
"""Nats by which a posterior and a normal may differ two standard deviations from the mode; the normal has fallen by 2
there."""
RIVAL_MODE = 3.0
"""Nats within which another mode counts: it adds e^−3, or 5 %, to the evidence of a mode of the same shape."""

# --- rank of a Fisher information -----------------------------------------------------------------------------------

ZERO_SINGULAR_VALUE = 1e-8
"""Singular values of the factor R of RᵀR that count as 0, over the largest: half way, in the log, between 1 and the
rounding of 64 bit, 1e-16, which is where exact zeros come out. An eigenvalue of RᵀR is then below 1e-16 of the largest,
which no posterior of fewer than 1e16 observations could see."""
CLEAR_GAP = 1e3
"""Last singular value that counts over the first that does not, below which a rank is flagged: rounding spreads over
two or three decades."""

# --- sequential Monte Carlo ------------------------------------------------------------------------------------------

FEW_REPLICATES = 8
"""Fewer replicates than this say little of their own spread: its relative error is 1/√(2 (R − 1)), 27 % at 8."""
MAXIMUM_SPREAD = 0.5
"""Standard deviation of log Z over replicates, nats, from which it is flagged: with 8 log-normal replicates 95 %
intervals cover 93 % at 0.5, 90 % at 1 and 83 % at 1.5."""
MINIMUM_ACCEPTANCE = 0.3
"""Share of moves accepted at a temperature below which the moves are flagged."""
MINIMUM_MOVED = 0.02
"""Share of the moves of splitting accepted at a level below which the particles stay the copies that they were: with 10
sweeps a particle then moves once in five levels."""
MINIMUM_EFFECTIVE_SHARE = 0.3
"""Effective share of the particles after a weighting below which the replicate is flagged."""

# --- Langevin samplers -----------------------------------------------------------------------------------------------

VISIBLE_DEPARTURE = 2.0
"""Errors by which the mean of (z − c)·∇U must miss d for the bias of a step to count as seen: chance is 5 % a run, and
the price of a false alarm is low, since the bias is there, if smaller."""
CLEARLY_NEGATIVE = 2.0
"""Errors below 0 from which a coefficient is told to be negative for another cause than few draws."""
MISFIT = 4.0
"""Standard deviations above its mean at which the chi-square of points about a polynomial is too large."""
FAR_EXTRAPOLATION = 0.5
"""Share of an extrapolated value by which the estimate at the smallest step may differ from it: further, the series in
the step size is not seen to converge."""
UNABLE = "unable to extrapolate"
"""What the flags begin with that say so."""

# --- ensembles of gradient descent -----------------------------------------------------------------------------------

ROUTES_DIFFER = 4.0
"""Joint errors by which two routes to a temperature, two halves of the runs, or a loss and its second-order expansion
must differ for a flag (chance 6e-5)."""
INDEPENDENT_RUNS = 100
"""Runs above which the spread of their means is the error, known to 1/√200 or 7 %, whatever the autocorrelations."""
