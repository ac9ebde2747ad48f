-- one row per student of int_outcomes and application used strictly between the two scores:
-- use on the day of a test explains nothing. They are read district by district, so that
-- each one's rows lie together
select
    outcomes.district_id,
    outcomes.student_id,
    usage.app_id,
    cast(sum(usage.usage_minutes) as double) as usage_minutes,
from {{ ref("fct_daily_usage") }} as usage
inner join {{ ref("int_outcomes") }} as outcomes
    on usage.district_id = outcomes.district_id
    and usage.student_id = outcomes.student_id
    -- not an equality: the days between the two
    and usage.usage_date > outcomes.prior_on
    and usage.usage_date < outcomes.later_on
inner join {{ ref("int_recommender_apps") }} as apps
    on usage.district_id = apps.district_id and usage.app_id = apps.app_id
group by outcomes.district_id, outcomes.student_id, usage.app_id
order by outcomes.district_id
