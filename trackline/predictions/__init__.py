"""Predictions: the learner, the protocol's datasets, and the Moodle-compatible server.

The modules, in the order in which they build on each other: `dataset` (the protocol's
CSV), `folds`, `learner` and `model` (what is held out; fit; a fitted model as data),
`evaluation` and `report`, `storage`, `service` (the protocol's answers without HTTP),
then `server` and what stands around it (`auth`, `guard`, `metrics`, `serve`, `wsgi`,
`aws_lambda`), and `client`, which speaks the same protocol from the other side. The
modules up to `service` use relative imports only: the package in compat/ ships them by
themselves.
"""
