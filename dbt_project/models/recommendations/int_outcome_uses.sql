-- one row per student of int_outcomes and recommendable application used between the
-- scores
{{ config(materialized="view") }}
select usage.district_id, usage.student_id, usage.app_id, usage.usage_minutes,
from {{ ref("int_outcome_usage") }} as usage
inner join
    {{ ref("int_recommender_apps") }} as apps
    on usage.district_id = apps.district_id
    and usage.app_id = apps.app_id
