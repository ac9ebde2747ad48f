"""The Dagster code location: what runs when, and what an operator sees.

Read in this order: `processes` (what is run, pure), `dbt` (the processes as assets),
`landing`, `publishing` and `models` (what stands before and after them), `jobs`,
`learning`, `sensors`, `alerts`.
"""
