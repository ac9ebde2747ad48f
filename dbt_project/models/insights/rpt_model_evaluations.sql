-- one row per evaluation of a model over an analysis interval
with
    evaluations as (select * from {{ ref("int_model_evaluations") }}),
    -- as in rpt_predictions
    sites as (select district_id from {{ ref("int_analytics_sites") }})

select
    evaluations.district_id,
    evaluations.model_id,
    evaluations.analysis_interval,
    evaluations.processor,
    evaluations.score,
    evaluations.score_deviation,
    evaluations.auc,
    evaluations.status,
    evaluations.info,
    evaluations.evaluated_at,
    evaluations.dir,
from evaluations
inner join sites on evaluations.district_id = sites.district_id
