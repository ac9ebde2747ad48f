-- one row per evaluation of a model over an analysis interval
select
    district_id,
    model_id,
    analysis_interval,
    processor,
    score,
    score_deviation,
    auc,
    status,
    info,
    evaluated_at,
    dir,
from {{ ref("int_model_evaluations") }}
