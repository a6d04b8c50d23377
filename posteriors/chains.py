"""Running the chains of a ladder: side by side on the cores, in chunks that can be watched and stopped."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

import jax
import jax.numpy as jnp
import numpy as np

from singular.posteriors import exchange
from singular.posteriors.exchange import CHUNK, Record, Rungs
from singular.posteriors.nuts import Plan, Point, Tuning, initial_tuning, sampling_plan
from singular.posteriors.precision import x64

SECONDS_BETWEEN_REPORTS = 0.3


class Stopped(KeyboardInterrupt):
    """Ctrl-C while recording; ``record`` holds what all chains had finished."""

    def __init__(self, record: Record | None) -> None:
        super().__init__("interrupted")
        self.record = record


class Chains:
    """The chains of one run: their states, keys and clocks.

    One seed gives one key to each chain, round and rung, whatever the number of cores or the mapping.
    ``gradients`` counts the evaluations of the gradient so far.
    """

    def __init__(self, density, kernel, chains, seed, mapping, cores, max_tree_depth, capacities, line) -> None:
        self.density, self.kernel, self.chains, self.seed = density, kernel, chains, seed
        self.data = (density.split.constants, kernel.constants)
        self.mapping, self.cores, self.line = mapping, cores, line
        self.max_tree_depth, self.capacities = max_tree_depth, capacities
        base = jax.random.PRNGKey(seed)
        self.keys = [jax.random.fold_in(base, chain) for chain in range(chains)]
        self.devices = jax.local_devices()
        self.round = self.gradients = 0

    def draw_prior(self, rounds: int) -> Point:
        """Return exact prior draws, evaluated, rows (draw,): a ladder with the prior as its only rung."""
        nowhere = Point(*(np.zeros(shape) for shape in ((self.density.dim,), (), (), *[(self.density.dim,)] * 2)))
        self.begin(np.zeros(1), nowhere)
        points = self.run(sampling_plan(rounds, 1), "prior").points
        return jax.tree.map(lambda rows: rows[:, :, 0].reshape(-1, *rows.shape[3:]), points)

    def begin(self, grid: np.ndarray, points: Point) -> None:
        """Start on ``grid``: ``points`` has rows (chain, rung), or is one point for all."""
        one = np.ndim(points.nll) == 0
        tuning = jax.tree.map(
            lambda leaf: np.broadcast_to(np.asarray(leaf), (self.chains, grid.size, *np.shape(leaf))),
            initial_tuning(self.kernel.dim, dense=self.kernel.dense),
        )
        if one:
            points = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (self.chains, grid.size, *np.shape(leaf))), points)
        self._set(grid, points, tuning)

    def regrid(self, grid: np.ndarray) -> None:
        """Move to new rungs: each takes state, mass matrix and step size of the nearest old one in log β."""
        old = np.log(np.maximum(self.grid, self.grid[1] * 1e-3))
        nearest = [int(np.argmin(np.abs(old - np.log(b)))) if b > 0 else 0 for b in grid]
        taken = [max(k, 1) if b > 0 else 0 for k, b in zip(nearest, grid, strict=True)]
        rows = [jax.tree.map(lambda a: np.asarray(a)[taken], state) for state in self.states]
        points = jax.tree.map(lambda *leaves: np.stack(leaves), *[row.points for row in rows])
        tuning = jax.tree.map(lambda *leaves: np.stack(leaves), *[self._restart(row.tuning) for row in rows])
        self._set(grid, points, tuning)

    def _restart(self, tuning: Tuning) -> Tuning:
        """Keep every rung's step size and mass matrix, and forget how they were learnt."""
        pairs = zip(tuning.step_size, tuning.inverse_mass, strict=True)
        fresh = [initial_tuning(self.kernel.dim, step_size, mass) for step_size, mass in pairs]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *fresh)

    def centre_on(self, points: np.ndarray) -> None:
        """Take virials about these points from now on, one a rung: (rung, d)."""
        self.centre = np.zeros((self.capacity, self.density.dim))
        self.centre[: self.grid.size] = points

    def step_sizes(self) -> np.ndarray:
        """Return the step sizes, (chain, rung); NaN on the prior's rung, and wherever no trajectory is followed."""
        sizes = np.stack([np.asarray(state.tuning.step_size)[: self.grid.size] for state in self.states])
        sizes[:, 0 if self.kernel.trajectories else slice(None)] = np.nan
        return sizes

    def dense_masses(self) -> np.ndarray:
        """Return whether the mass matrix is dense, (chain, rung) bool."""
        masses = np.stack([np.asarray(state.tuning.inverse_mass)[: self.grid.size] for state in self.states])
        if masses.ndim == 3:
            return np.zeros(masses.shape[:2], bool)
        return (masses != masses * np.eye(masses.shape[-1])).any(axis=(2, 3))

    def run(self, plan: Plan, description: str) -> Record:
        """Run every chain through ``plan`` and return its record, rows (chain, round, rung).

        Raises
        ------
        Stopped
            On Ctrl-C, with what all chains had done.
        """
        rounds = plan.adapt.size
        self.line.stage(description, rounds * self.chains)
        stop = threading.Event()
        parts = (self._run_together if self.mapping == "vmap" else self._run_apart)(plan, stop)
        self.round += rounds
        done = min(sum(chunk.replica.shape[0] for chunk in chunks) for chunks in parts)
        joined = [jax.tree.map(lambda *rows: np.concatenate(rows)[:done], *chunks) for chunks in parts if chunks]
        each = 1 + self.kernel.overhead * (self.grid.size - 1)  # one a round for the prior
        self.gradients += sum(int(record.steps.n_steps.sum()) + each * done for record in joined)
        if stop.is_set():
            raise Stopped(jax.tree.map(lambda *rows: np.stack(rows), *joined) if done else None)
        return jax.tree.map(lambda *rows: np.stack(rows), *joined)

    def _set(self, grid, points: Point, tuning: Tuning) -> None:
        self.grid = grid
        self.capacity = next(c for c in self.capacities if c >= grid.size)
        self.program = exchange.program(self.density, self.kernel, self.capacity, self.mapping, self.max_tree_depth)
        self.betas = np.concatenate([grid, np.full(self.capacity - grid.size, 1.0)])
        self.centre_on(np.zeros((grid.size, self.density.dim)))
        replica = np.broadcast_to(np.arange(grid.size), (self.chains, grid.size))

        def pad(leaf):
            extra = [(0, 0), (0, self.capacity - grid.size)] + [(0, 0)] * (leaf.ndim - 2)
            return np.pad(np.asarray(leaf), extra, mode="edge")

        padded = jax.tree.map(pad, Rungs(points, tuning, replica))
        self.states = [jax.tree.map(lambda leaf, c=c: leaf[c], padded) for c in range(self.chains)]

    def _chunks(self, plan: Plan):
        """Yield (size, plan rows) so that a chunk takes about as long as a report should be apart."""
        rounds, done, size = plan.adapt.size, 0, 4
        while done < rounds:
            size = min(size, CHUNK, rounds - done)
            rows = Plan(*(_fill(column[done : done + size]) for column in plan))
            began = time.perf_counter()
            yield done, size, rows
            done += size
            spent = max(time.perf_counter() - began, 1e-6)
            size = max(1, int(size * min(8.0, SECONDS_BETWEEN_REPORTS / spent)))

    def _run_apart(self, plan, stop):
        """One thread a chain: each runs the same compiled program, so the cores change no draw."""

        def work(chain):
            device = self.devices[chain % len(self.devices)]
            parts, state = [], self.states[chain]
            with x64(), jax.default_device(device):
                for done, size, rows in self._chunks(plan):
                    if stop.is_set():
                        break
                    now, key = self.round + done, self.keys[chain]
                    fresh = exchange.prior_draws(self.density, key, now)
                    state, part = self.program.advance(
                        self.data, key, fresh, state, self.betas, self.centre, self.grid.size, now, size, rows
                    )
                    parts.append(_trim(part, size, self.grid.size))
                    self.line.advance(size)
            self.states[chain] = jax.tree.map(np.asarray, state)
            return parts

        with ThreadPoolExecutor(max_workers=min(self.cores, self.chains)) as pool:
            futures = [pool.submit(work, chain) for chain in range(self.chains)]
            try:
                running = set(futures)
                while running and not any(f.exception() for f in futures if f.done()):
                    running = wait(running, timeout=0.1, return_when=FIRST_EXCEPTION).not_done
            except KeyboardInterrupt:
                stop.set()
            if any(f.exception() for f in futures if f.done()):
                stop.set()
        return [f.result() for f in futures]

    def _run_together(self, plan, stop):
        """All chains in one batch."""
        stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *self.states)
        keys = jnp.stack(self.keys)
        parts = [[] for _ in range(self.chains)]
        try:
            for done, size, rows in self._chunks(plan):
                now = self.round + done
                fresh = jnp.stack([exchange.prior_draws(self.density, key, now) for key in self.keys])
                stack, part = self.program.advance(
                    self.data, keys, fresh, stack, self.betas, self.centre, self.grid.size, now, size, rows
                )
                for chain in range(self.chains):
                    one = jax.tree.map(lambda leaf, c=chain: leaf[c], part)
                    parts[chain].append(_trim(one, size, self.grid.size))
                self.line.advance(size * self.chains)
        except KeyboardInterrupt:
            stop.set()
        self.states = [jax.tree.map(lambda leaf, c=c: np.asarray(leaf[c]), stack) for c in range(self.chains)]
        return parts


def _fill(column: np.ndarray) -> np.ndarray:
    return np.pad(column, (0, CHUNK - column.size))


def _trim(part: Record, rounds: int, rungs: int) -> Record:
    """Keep the rounds that were run and the rungs that are there; of the gradients only the prior's."""
    points = part.points
    if rungs > 1:
        none = np.zeros((rounds, rungs, 0))
        points = points._replace(log_prior_gradient=none, nll_gradient=none)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:rounds, :rungs].copy(), part._replace(points=points))
