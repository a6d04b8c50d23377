.DEFAULT_GOAL := help
.PHONY: help env lock study test quick lint bench catalogue clean
.PHONY: validate-routes validate-wbic validate-learning-curve validate-published validate-model-choice
.PHONY: validate validate-flags validate-calibration validate-equation-of-state validate-catalogue validate-ladders
.PHONY: studies
.PHONY: bench-stiff bench-cost bench-first-use validate-kernels bench-trajectories lock-bench bench-evidence study-sgld lock-score score-devinterp
PYTHON ?= python3
UV     := .tools/bin/uv
READY  := .venv/.ready
BIN    := .venv/bin
BENCH  := .venv-bench/.ready
SCORE  := .venv-score/.ready

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-27s %s\n", $$1, $$2}'

$(UV):
	$(PYTHON) -m venv .tools
	.tools/bin/pip install -q 'uv>=0.9'
	@touch $@

$(READY): pyproject.toml requirements.lock | $(UV)
	$(UV) venv -q --clear --python "$$(cat .python-version)" .venv
	$(UV) pip sync -q --require-hashes requirements.lock
	$(UV) pip install -q --no-deps --editable .
	@touch $@

env: $(READY) ## make the environment

lock: | $(UV) ## pin every dependency anew
	$(UV) pip compile -q --universal --python-version 3.12 --group dev --generate-hashes \
	    --no-emit-index-url --no-annotate pyproject.toml -o requirements.lock

study: $(READY) ## run the main job: sample, compare with the exact answers, write out/report.html
	$(BIN)/singular study

lint: $(READY) ## style, types and the one-way imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/basedpyright --level error

test: lint ## everything: style, types, imports, every test
	$(BIN)/pytest -q -n auto --dist worksteal

quick: $(READY) ## in under three minutes: the tests of a second or two, each with the first of its parameters
	$(BIN)/pytest -q -n auto --dist worksteal --quick

validate: $(READY) ## coverage of every estimator's intervals, 400 ladders; writes docs/validation/COVERAGE.md
	$(BIN)/python benchmarks/validate.py

validate-flags: $(READY) ## do flags tell wrong numbers from right ones? writes docs/validation/FLAGS.md
	$(BIN)/python benchmarks/validate_flags.py

validate-calibration: $(READY) ## simulation-based calibration of the ladder; writes docs/validation/CALIBRATION.md
	$(BIN)/python benchmarks/validate_calibration.py

validate-equation-of-state: $(READY) ## E[G], E[WAIC], G + WAIC; writes docs/validation/EQUATION_OF_STATE.md
	$(BIN)/python benchmarks/validate_equation_of_state.py

validate-wbic: $(READY) ## WBIC against F over data sets and n, exactly; writes docs/validation/WBIC.md
	$(BIN)/python benchmarks/validate_wbic.py

validate-learning-curve: $(READY) ## n E[G_n − S] against λ; writes docs/validation/LEARNING_CURVE.md
	$(BIN)/python benchmarks/validate_learning_curve.py

validate-published: $(READY) ## published numbers, recomputed; writes docs/validation/PUBLISHED.md
	$(BIN)/python benchmarks/validate_published.py

validate-model-choice: $(READY) ## how often F, WBIC, sBIC, BIC, WAIC, LOO pick the true size; writes docs/validation/MODEL_CHOICE.md
	$(BIN)/python benchmarks/validate_model_choice.py

validate-routes: $(READY) ## every route to the free energy against every other; writes docs/validation/ROUTES.md
	$(BIN)/python benchmarks/validate_routes.py

validate-kernels: $(READY) ## every kernel and every move against exact answers; writes docs/validation/KERNELS.md
	$(BIN)/python benchmarks/validate_kernels.py

study-sgld: $(READY) ## SGLD and its kin against NUTS and the exact answer; writes docs/studies/SGLD.md
	$(BIN)/python benchmarks/sgld_study.py

studies: $(READY) ## every study of regions and geometry, page, picture and table each; writes docs/studies
	for name in concentration two-wells rank-phases tanh-strata relu-phases superposition symmetry volume sharpness \
	    early-stopping noise-floor pseudo-singular free-energy-at-the-floor temperature-axis watanabe-2013; do \
	    $(BIN)/singular study $$name && cp out/$$name/$$name.md out/$$name/$$name.png out/$$name/$$name.csv docs/studies/ \
	    || exit 1; done

validate-catalogue: $(READY) ## measure every exact λ and m without its formula; writes docs/catalogue/CHECKS.md
	$(BIN)/python benchmarks/validate_catalogue.py

validate-ladders: $(READY) ## the ladder at default settings on every member; writes docs/catalogue/LADDERS.md
	$(BIN)/python benchmarks/validate_ladders.py

bench: $(READY) ## gradients per second beside a bare leapfrog loop
	$(BIN)/python benchmarks/throughput.py --out docs/throughput.md

bench-trajectories: $(READY) ## NUTS, dense masses and MCLMC in ladders; writes docs/validation/TRAJECTORIES.md
	$(BIN)/python benchmarks/trajectories.py

bench-stiff: $(READY) ## effective draws a second on stiff posteriors beside NumPyro; writes docs/validation/STIFF.md
	$(BIN)/python benchmarks/stiff.py

bench-cost: $(READY) ## what a round costs against n, rungs, chains, depth; writes docs/validation/COST.md
	$(BIN)/python benchmarks/cost.py

bench-first-use: $(READY) ## from how many parameters a family's structure pays; writes docs/validation/FIRST_USE.md
	$(BIN)/python benchmarks/first_use.py

$(BENCH): pyproject.toml requirements-bench.lock | $(UV)
	$(UV) venv -q --clear --python "$$(cat .python-version)" .venv-bench
	$(UV) pip sync -q --python .venv-bench/bin/python --require-hashes requirements-bench.lock
	$(UV) pip install -q --python .venv-bench/bin/python --no-deps --editable .
	@touch $@

lock-bench: | $(UV) ## pin what the evidence benchmark needs anew, beside the pins of `make lock`
	$(UV) pip compile -q --universal --python-version 3.12 --extra bench --constraints requirements.lock \
	    --generate-hashes --no-emit-index-url --no-annotate pyproject.toml -o requirements-bench.lock

bench-evidence: $(BENCH) ## the evidence beside dynesty, jaxns, blackjax, NumPyro; writes docs/validation/EVIDENCE.md
	.venv-bench/bin/python benchmarks/evidence.py

$(SCORE): pyproject.toml requirements-score.lock | $(UV)
	$(UV) venv -q --clear --python "$$(cat .python-version)" .venv-score
	$(UV) pip sync -q --python .venv-score/bin/python --require-hashes requirements-score.lock
	$(UV) pip install -q --python .venv-score/bin/python --no-deps --editable .
	@touch $@

lock-score: | $(UV) ## pin what the score of devinterp needs anew, beside the pins of `make lock`
	$(UV) pip compile -q --universal --python-version 3.12 --extra score --constraints requirements.lock \
	    --generate-hashes --no-emit-index-url --no-annotate pyproject.toml -o requirements-score.lock

score-devinterp: $(SCORE) ## devinterp and lambda_hat's formula scored; writes docs/scores/DEVINTERP.md
	.venv-score/bin/python benchmarks/score_devinterp.py

catalogue: $(READY) ## write docs/catalogue, a page and a picture a model, from the models as they are
	$(BIN)/python benchmarks/catalogue_pages.py --out docs/catalogue

clean: ## remove results and caches, keep the environment
	rm -rf out dist .pytest_cache .ruff_cache
