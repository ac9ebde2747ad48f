-- What is this? Totals that no days can add up to: negative minutes, more than 1440
-- minutes a day, more days of use than days between the first and the last.
-- When does it matter? A total kept up by differences goes wrong without any error.
-- How to resolve? `dbt build --full-refresh`, and report how it came about.
select district_id, student_id, app_id, usage_minutes, days_used,
from {{ ref("int_usage_totals") }}
where
    usage_minutes < 0
    or session_count < 0
    or usage_minutes > 1440 * days_used
    or days_used > {{ dbt.datediff("first_used_on", "last_used_on", "day") }} + 1
