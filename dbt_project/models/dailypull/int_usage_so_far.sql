-- one row per user and app of the school year so far, staff of a Moodle site among
-- them; within the grace that a district gives its last school year, the days of the
-- new one count with it. The totals stand in no CTE: read twice, it would be written
-- out
{{ config(materialized="view") }}
with
    districts as (
        select district_id, is_in_grace, school_year_starts_on
        from {{ ref("int_districts") }}
        where is_enabled
    )

select
    totals.district_id,
    totals.student_id,
    totals.app_id,
    totals.usage_minutes,
    totals.session_count,
    totals.days_used,
    totals.first_used_on,
    totals.last_used_on,
from {{ ref("int_usage_totals") }} as totals
inner join
    districts
    on totals.district_id = districts.district_id
    and totals.school_year_starts_on = districts.school_year_starts_on
where not districts.is_in_grace
-- apart, for only the districts in their grace have two years to add up
union all
select
    totals.district_id,
    totals.student_id,
    totals.app_id,
    cast(sum(totals.usage_minutes) as decimal(28, 6)) as usage_minutes,
    cast(sum(totals.session_count) as bigint) as session_count,
    cast(sum(totals.days_used) as bigint) as days_used,
    min(totals.first_used_on) as first_used_on,
    max(totals.last_used_on) as last_used_on,
from {{ ref("int_usage_totals") }} as totals
inner join
    districts
    on totals.district_id = districts.district_id
    and totals.school_year_starts_on >= districts.school_year_starts_on
where districts.is_in_grace
group by totals.district_id, totals.student_id, totals.app_id
