"""The Spark half of what the Python models call: registered by the session's type."""

from __future__ import annotations

from pyspark.sql.connect.session import SparkSession

from trackline import landing
from trackline.cluster import learning, recommending, staging
from trackline.insights import datasets, predicting, store
from trackline.recommender import build

landing.new_files.register(SparkSession, staging.new_files)
landing.stage.register(SparkSession, staging.stage)
landing.stage_moodle.register(SparkSession, staging.stage_moodle)
build.co_use.register(SparkSession, recommending.co_use)
build.build.register(SparkSession, recommending.build)
datasets.analyses.register(SparkSession, learning.analyses)
predicting.predict.register(SparkSession, learning.predict)
store.stored_predictions.register(SparkSession, learning.stored_predictions)
store.used_samples.register(SparkSession, learning.used_samples)
