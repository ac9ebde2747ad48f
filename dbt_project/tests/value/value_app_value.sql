-- What is this? Weeks in which more students met a goal than were active, or a share of
-- goals outside of 0 to 1.
-- When does it matter? It is what a renewal of licences is decided on.
-- How to resolve? `dbt build --full-refresh`, and report how it came about.
select district_id, app_id, week_starts_on, active_students, met_students,
from {{ ref("int_app_weeks") }}
where met_students < 0 or met_students > active_students
union all
select district_id, app_id, cast(null as date), active_students, null,
from {{ ref("rpt_app_value") }}
where goal_weeks_met_share < 0 or goal_weeks_met_share > 1 or licence_use < 0
