-- one row per student of type 1 and rank: the software likely to help, and why on Spark
-- a table: a build whose training fails there has dropped int_recommendations, and
-- districts keep what the last one gave
{{ config(materialized="view" if target.type == "duckdb" else "table") }}
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
