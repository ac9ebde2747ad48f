-- one row per student of int_outcomes and application used between the scores
{{ config(materialized="view") }}
select
    usage.district_id,
    usage.student_id,
    usage.app_id,
    usage.usage_minutes,
    apps.app_id is not null as is_recommendable,
from {{ ref("int_outcome_usage") }} as usage
left join
    {{ ref("int_recommender_apps") }} as apps
    on usage.district_id = apps.district_id
    and usage.app_id = apps.app_id
where usage.app_id is not null
