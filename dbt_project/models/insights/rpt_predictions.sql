-- one row per model, sample and range that a model warns of: class 1, with a score of
-- 0.6 or more
with
    predictions as (select * from {{ ref("int_predictions") }}),
    -- what a disabled site was told before stays in its files, and is not shown
    sites as (select district_id from {{ ref("int_analytics_sites") }})

select
    predictions.district_id,
    predictions.model_id,
    predictions.sample_id,
    predictions.range_index,
    predictions.prediction,
    predictions.prediction_score,
    {{ timestamp_of("predictions.time_start") }} as time_start,
    {{ timestamp_of("predictions.time_end") }} as time_end,
    predictions.analysis_interval,
    predictions.analysable_id,
    predictions.user_id,
    predictions.course_id,
    predictions.context_id,
    predictions.calculations,
    predictions.reasons,
    {{ timestamp_of("predictions.predicted_at") }} as predicted_at,
    md5(
        predictions.district_id
        || '|'
        || predictions.model_id
        || '|'
        || predictions.version
        || '|'
        || predictions.sample_id
        || '|'
        || predictions.range_index
    ) as insight_id,
from predictions
inner join sites on predictions.district_id = sites.district_id
