-- one row per student of type 1 and rank: the software likely to help, and why
{{ config(materialized="view") }}
select
    district_id,
    student_id,
    cast(rank as integer) as rank,
    app_id,
    score,
    is_new,
    reason,
    similar_students,
    effect,
    effect_low,
    effect_high,
    is_associated,
    model_id,
from {{ ref("int_recommendations") }}
