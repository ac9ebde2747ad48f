"""From the build's tables to the protocol's datasets: PROTOCOL section 2."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from trackline.predictions.dataset import Dataset, write_dataset

__all__ = ["Analysis", "Catalog", "Tables", "analyses", "to_csv"]

KEYS = ("analysable_id", "sample_id", "range_index")
ABOUT = ("user_id", "course_id", "context_id", "time_start", "time_end", "now_at")
SITE = "site_"
INTERVAL_CLASS = r"\core\analytics\time_splitting" + "\\"
# sites merge what they send under one version of Moodle's interface
MOODLE_VERSION = "2024100706"
CHUNK_ROWS = 20_000


@dataclass(frozen=True)
class Tables:
    """The build's tables that an analysis is made of, as the engine's relations."""

    analyses: Any
    samples: Any
    indicator_values: Any
    target_values: Any
    indicators: Any
    targets: Any


@dataclass(frozen=True)
class Analysis:
    """One model, purpose and interval of one site, with its samples.

    Attributes
    ----------
    about : namedtuple
        The row of int_analyses.
    rows : DataFrame
        One row per sample and range, in order of (analysable, sample, range): keys,
        what is known of the sample, ``label`` (NaN without) and a column per indicator
        (NaN where it cannot be calculated).
    indicators : DataFrame
        indicator, class_name, shape, label: those of the model, in its order.
    target : Series
        Row of analytics_targets.
    """

    about: Any
    rows: pd.DataFrame
    indicators: pd.DataFrame
    target: pd.Series

    @property
    def of_samples(self) -> list[str]:
        """Names of the indicators that tell samples apart: not those of the site."""
        return [n for n in self.indicators.indicator if not n.startswith(SITE)]

    def means(self) -> pd.DataFrame:
        """Return each indicator's mean over its analysable's samples in the range.

        Returns
        -------
        DataFrame, shape (rows, indicators)
            Rounded to 2 places, half away from zero; NaN where no sample has a value.
        """
        values = self.rows[list(self.indicators.indicator)]
        groups = [self.rows.analysable_id, self.rows.range_index]
        mean = values.groupby(groups).transform("mean")
        # 9 places first: a mean of 0.125 may come out as 0.12499999999999999
        cents = np.round(mean.to_numpy(np.float64) * 100, 7)
        rounded = np.sign(cents) * np.floor(np.abs(cents) + 0.5) / 100
        return pd.DataFrame(rounded, values.index, values.columns)

    def dataset(self, *, labelled: bool) -> Dataset:
        """Return the rows as a dataset; a sample without any value is left out.

        Parameters
        ----------
        labelled : bool
            With the class last, or with ``<sample>-<range>`` first.
        """
        kept = self.rows[self.of_samples].notna().any(axis=1)
        if labelled:
            kept &= self.rows.label.notna()
        means = self.means()[kept]
        rows = self.rows[kept]
        columns, features = [], []
        parts = self.about.parts if self.about.kind.startswith("parts") else None
        if parts is not None and not pd.isna(parts):
            for index in range(int(parts)):
                columns.append(f"range/{index}")
                features.append((rows.range_index == index).to_numpy(np.float32))
        for indicator in self.indicators.itertuples():
            columns.append(indicator.class_name)
            features.append(rows[indicator.indicator].to_numpy(np.float32))
            if indicator.shape == "linear":
                columns.append(indicator.class_name + "/mean")
                features.append(means[indicator.indicator].to_numpy(np.float32))
        return Dataset(
            columns=tuple(columns),
            features=np.column_stack(features).reshape(len(rows), len(columns)),
            classes=(0, 1),
            labels=rows.label.to_numpy(np.int64) if labelled else None,
            sample_ids=None if labelled else tuple(sample_names(rows)),
            metadata={
                "timesplitting": INTERVAL_CLASS + self.about.analysis_interval,
                "nfeatures": "",
                "moodleversion": MOODLE_VERSION,
                "targetcolumn": self.target.class_name,
                "targettype": "discrete",
                "targetclasses": "",
            },
            target=self.target.class_name,
        )


def sample_names(rows: pd.DataFrame) -> pd.Series:
    """Return ``<sample>-<range>`` of every row."""
    return rows.sample_id.astype(str) + "-" + rows.range_index.astype(str)


@dataclass(frozen=True)
class Catalog:
    """What is to be analysed, and by what: the small tables of `Tables`, in memory.

    Attributes
    ----------
    analyses, indicators, targets : DataFrame
    """

    analyses: pd.DataFrame
    indicators: pd.DataFrame
    targets: pd.DataFrame

    def of_purpose(self, purpose: str) -> Iterator[Any]:
        """Give the rows of int_analyses: `train`, `predict` or `evaluate`."""
        wanted = self.analyses[self.analyses.purpose == purpose]
        order = ["district_id", "model_id", "analysis_interval"]
        return wanted.sort_values(order).itertuples()

    def analysis(self, about: Any, rows: pd.DataFrame) -> Analysis:
        """Return an analysis of these rows."""
        indicators = self.indicators.set_index("indicator", drop=False)
        targets = self.targets.set_index("target", drop=False)
        return Analysis(
            about, rows, indicators.loc[indicators_of(about)], targets.loc[about.target]
        )


def indicators_of(about: Any) -> list[str]:
    """Return the names of a model's indicators, in its order, each once."""
    return list(dict.fromkeys(about.indicators.split()))


@singledispatch
def analyses(
    con: duckdb.DuckDBPyConnection, tables: Tables, purpose: str
) -> Iterator[Analysis]:
    """Give the analyses of a purpose, one after the other.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build's; trackline.cluster has Spark's half.
    tables : Tables
    purpose : str
        `train`, `predict` or `evaluate`.
    """
    catalog = Catalog(tables.analyses.df(), tables.indicators.df(), tables.targets.df())
    for about in catalog.of_purpose(purpose):
        yield catalog.analysis(about, _rows(tables, about))


def _rows(tables: Tables, about: Any) -> pd.DataFrame:
    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    mine = " and ".join(
        f"{key} = {quoted(getattr(about, key))}"
        for key in ("district_id", "model_id", "purpose", "analysis_interval")
    )
    keys = ", ".join(KEYS)
    # the configuration's check knows every name
    names = indicators_of(about)
    wide = ", ".join(
        f"cast(max(value) filter (indicator = {quoted(name)}) as float) as {name}"
        for name in names
    )
    samples = tables.samples.filter(mine).project(f"{keys}, {', '.join(ABOUT)}")
    values = tables.indicator_values.filter(mine).aggregate(f"{keys}, {wide}", keys)
    labels = tables.target_values.filter(mine).project(f"{keys}, value as label")
    joined = samples.join(values, keys, how="left").join(labels, keys, how="left")
    return joined.order(keys).df()


def to_csv(dataset: Dataset) -> bytes:
    """Write a dataset; in chunks, for a row of text costs ten times its numbers."""
    file = io.BytesIO()
    count = len(dataset.features)
    for start in range(0, max(count, 1), CHUNK_ROWS):
        some = slice(start, start + CHUNK_ROWS)
        packed = write_dataset(
            replace(
                dataset,
                features=dataset.features[some],
                labels=None if dataset.labels is None else dataset.labels[some],
                sample_ids=dataset.sample_ids and dataset.sample_ids[some],
            )
        )
        if start:
            packed = packed.split(b"\n", 3)[3]
        file.write(packed)
    return file.getvalue()
