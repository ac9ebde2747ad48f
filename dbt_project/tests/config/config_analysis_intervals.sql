-- What is this? A site's own analysis intervals that no model of the site uses and no
-- evaluation tries.
-- When does it matter? Someone wrote the row to have courses judged by it; nothing is.
-- How to resolve? Name the interval in prediction_models.csv, or in the setting
-- defaulttimesplittingsevaluation; or remove the row.
{{
    config(
        severity="warn",
        meta={"dagster": {"ref": {"name": "analysis_intervals"}}},
    )
}}

with
    intervals as (
        select district_id, analysis_interval
        from {{ ref("analysis_intervals") }}
        where district_id != '*'
    ),
    models as (
        select district_id, analysis_interval from {{ ref("prediction_models") }}
    ),
    settings as (
        select district_id, ' ' || value || ' ' as listed
        from {{ ref("analytics_settings") }}
        where name = 'defaulttimesplittingsevaluation'
    )

-- a row of `*` holds for every site, so the join is not on equal ids; seeds are short
select intervals.district_id, intervals.analysis_interval,
from intervals
left join
    models
    on intervals.analysis_interval = models.analysis_interval
    and models.district_id in (intervals.district_id, '*')
left join
    settings
    on settings.district_id in (intervals.district_id, '*')
    and position(' ' || intervals.analysis_interval || ' ' in settings.listed) > 0
where models.analysis_interval is null and settings.listed is null
