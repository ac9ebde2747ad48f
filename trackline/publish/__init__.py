"""Publishing: each district's own rows as read-only files (INTERFACE section 7).

Read in this order: `run` (the story), `warehouse` (what is read), `candidate` (one
district's copy and its fingerprint), `holds` (the rule), `versions` (the serve
folder), `exports` (Parquet and CSV), `forget`, `command` (the command line).
"""

from trackline.publish.forget import forget_published_student
from trackline.publish.run import Outcome, PublishReport, publish

__all__ = ["Outcome", "PublishReport", "forget_published_student", "publish"]
