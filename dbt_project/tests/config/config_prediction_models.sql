-- What is this? Enabled models that must be trained (their targets are learned, not
-- computed) while their site has switched analytics off.
-- When does it matter? Somebody waits for predictions that no run will ever make.
-- How to resolve? Set enableanalytics to 1 in analytics_settings.csv for the site, or
-- disable the model.
{{
    config(
        severity="warn",
        meta={"dagster": {"ref": {"name": "prediction_models"}}},
    )
}}

with
    models as (
        select district_id, model_id
        from {{ ref("prediction_models") }}
        where
            coalesce(lower(enabled), 'true') = 'true'
            and target in (
                'course_dropout',
                'course_completion',
                'course_competencies',
                'course_gradetopass'
            )
    ),
    switched_off as (
        select district_id
        from {{ ref("analytics_settings") }}
        where name = 'enableanalytics' and value = '0'
    )

-- a row of `*` holds for every site, so the join is not on equal ids; seeds are short
select models.district_id, models.model_id, switched_off.district_id as off_for,
from models
inner join
    switched_off
    on models.district_id = switched_off.district_id
    or switched_off.district_id = '*'
