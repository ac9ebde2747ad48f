"""Learning analytics on its own rhythm: train, predict and clean up, as in Moodle.

The nightly cycle does the first two already, as one step; these jobs are for a site
that wants them at other times, and for an operator.
"""

from typing import Any

from dagster import (
    AssetsDefinition,
    AssetSelection,
    DefaultScheduleStatus,
    JobDefinition,
    Nothing,
    OpExecutionContext,
    Out,
    RetryRequested,
    ScheduleDefinition,
    define_asset_job,
    job,
    op,
)

from orchestration import processes
from orchestration.environment import Environment

__all__ = ["learning_jobs", "learning_schedules"]

TRAIN, PREDICT, CLEAN = "train_models", "predict_models", "cleanup"

# what is shown of a prediction, besides the analysis that leads to it
SHOWN = ("int_predictions", "rpt_predictions", "rpt_insights", "rpt_insight_recipients")


def learning_jobs(insights: AssetsDefinition, environment: Environment) -> list[Any]:
    """Return the jobs.

    Parameters
    ----------
    insights : AssetsDefinition
        The models of learning analytics.
    environment : Environment
    """

    def analysis(of: str) -> AssetSelection:
        return AssetSelection.keys(of).upstream() & AssetSelection.assets(insights)

    predicting = analysis("int_prediction_runs") - AssetSelection.keys("int_trainings")
    return [
        define_asset_job(
            TRAIN,
            analysis("int_trainings"),
            description="Every enabled model learns from the courses that have ended.",
        ),
        define_asset_job(
            PREDICT,
            predicting | AssetSelection.keys(*SHOWN),
            description="Every trained or static model predicts the running courses; "
            "nothing is learned.",
        ),
        cleanup_job(environment),
    ]


def cleanup_job(environment: Environment) -> JobDefinition:
    """Return the job that removes what is kept of things that are gone."""

    @op(out=Out(Nothing), pool=processes.pool(CLEAN, environment.target))
    def clean_up_models(context: OpExecutionContext) -> None:
        # both take seconds to import, and the definitions are loaded by every run
        import duckdb

        from trackline.insights import clean_up

        try:
            removed = clean_up()
        except duckdb.IOException as error:
            if not processes.is_lock_held(str(error)):
                raise
            raise RetryRequested(
                processes.MAX_RETRIES, processes.retry_seconds(context.retry_number)
            ) from error
        for row in removed.itertuples():
            context.log.info(
                f"{row.district_id} {row.model_id}: {row.predictions} predictions and"
                f" {row.samples} samples removed"
            )

    @job(
        name=CLEAN,
        description="Removes predictions whose context is gone and samples of courses "
        "and users that no longer exist, and models whose row was removed. The tables "
        "follow at the next build.",
    )
    def cleanup() -> None:
        clean_up_models()

    return cleanup


def learning_schedules(environment: Environment) -> list[ScheduleDefinition]:
    """Return a schedule for each job, in the hours after the nightly run.

    Training and predicting are part of that run: their schedules are off everywhere
    until they are turned on. Cleaning up is not, and is on in production.
    """
    is_on = {CLEAN: environment.is_production}
    return [
        ScheduleDefinition(
            name=f"nightly_{name}",
            job_name=name,
            cron_schedule=processes.cron(environment.nightly_at, hours_later=hours),
            execution_timezone=environment.time_zone,
            default_status=DefaultScheduleStatus.RUNNING
            if is_on.get(name)
            else DefaultScheduleStatus.STOPPED,
        )
        for hours, name in enumerate((TRAIN, PREDICT, CLEAN), start=1)
    ]
