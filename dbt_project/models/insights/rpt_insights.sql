-- one row per insight: of each model and sample the latest range that the model warns
-- of, with the reasons in words
with
    predictions as (select * from {{ ref("rpt_predictions") }}),
    contexts as (select district_id, id as context_id from {{ moodle("context") }}),

    ranked as (
        select
            *,
            row_number() over (
                partition by district_id, model_id, sample_id order by range_index desc
            ) as latest_first,
        from predictions
    )

select
    ranked.district_id,
    ranked.insight_id,
    ranked.model_id,
    ranked.context_id,
    ranked.sample_id,
    ranked.prediction,
    ranked.prediction_score,
    ranked.reasons,
    ranked.user_id,
    ranked.course_id,
    ranked.range_index,
    ranked.predicted_at,
from ranked
-- an insight of a context that is gone is nobody's
inner join
    contexts
    on ranked.district_id = contexts.district_id
    and ranked.context_id = contexts.context_id
where ranked.latest_first = 1
