"""The server as an AWS Lambda function, `trackline.predictions.aws_lambda.handler`.

Models live on S3 (MOODLE_MLBACKEND_PYTHON_S3_BUCKET_NAME); a Lambda takes requests of
at most 6 MB.
"""

from __future__ import annotations

from mangum import Mangum

from .server import create_app

__all__ = ["handler"]

handler = Mangum(create_app(), lifespan="off")
