-- one row per district and selected application: what of it is used, and at what price.
-- An application that the district has not selected has no seats, cost or goal and
-- stands in dq_unknown_apps
with
    districts as (
        select district_id, as_of, school_year_starts_on
        from {{ ref("int_districts") }}
        where is_enabled
    ),
    apps as (select * from {{ ref("int_district_apps") }}),
    totals as (
        select district_id, student_id, app_id, last_used_on
        from {{ ref("int_usage_totals") }}
    ),
    weeks as (select * from {{ ref("int_app_weeks") }}),
    days as (select * from {{ ref("fct_daily_usage") }}),
    not_students as (select district_id, user_id from {{ ref("int_not_students") }}),

    active as (
        select
            totals.district_id,
            totals.app_id,
            count(distinct totals.student_id) as students
        from totals
        inner join
            districts
            on totals.district_id = districts.district_id
            and totals.last_used_on
            >= cast({{ dbt.dateadd("day", -27, "districts.as_of") }} as date)
        left join
            not_students
            on totals.district_id = not_students.district_id
            and totals.student_id = not_students.user_id
        where not_students.user_id is null
        group by totals.district_id, totals.app_id
    ),

    -- the weeks count whoever used an application; those of today's staff, who are few,
    -- are taken off again, so that a change of roles recounts nobody's year
    staff_weeks as (
        select
            days.district_id,
            days.student_id,
            days.app_id,
            {{ week_start("days.usage_date") }} as week_starts_on,
            sum(days.usage_minutes) as minutes,
        from days
        inner join
            not_students
            on days.district_id = not_students.district_id
            and days.student_id = not_students.user_id
        inner join
            districts
            on days.district_id = districts.district_id
            and days.usage_date >= districts.school_year_starts_on
            and days.usage_date <= districts.as_of
        where days.usage_minutes > 0 or days.session_count > 0
        group by
            days.district_id,
            days.student_id,
            days.app_id,
            {{ week_start("days.usage_date") }}
    ),

    student_weeks as (
        select
            district_id,
            app_id,
            week_starts_on,
            weekly_minutes_goal,
            active_students,
            met_students,
        from weeks
        union all
        select
            staff_weeks.district_id,
            staff_weeks.app_id,
            staff_weeks.week_starts_on,
            apps.weekly_minutes_goal,
            -1 as active_students,
            case
                when staff_weeks.minutes >= apps.weekly_minutes_goal then -1 else 0
            end as met_students,
        from staff_weeks
        inner join
            apps
            on staff_weeks.district_id = apps.district_id
            and staff_weeks.app_id = apps.app_id
    ),

    -- a week that is not over has not missed its goal
    goals as (
        select
            weeks.district_id,
            weeks.app_id,
            sum(weeks.active_students) as student_weeks,
            sum(weeks.met_students) as met_weeks,
        from student_weeks as weeks
        inner join
            districts
            on weeks.district_id = districts.district_id
            and cast({{ dbt.dateadd("day", 6, "weeks.week_starts_on") }} as date)
            <= districts.as_of
        where weeks.weekly_minutes_goal is not null
        group by weeks.district_id, weeks.app_id
    ),

    joined as (
        select
            apps.district_id,
            apps.app_id,
            coalesce(active.students, 0) as active_students,
            apps.seats,
            apps.annual_cost,
            goals.student_weeks,
            goals.met_weeks,
        from apps
        inner join districts on apps.district_id = districts.district_id
        left join
            active
            on apps.district_id = active.district_id
            and apps.app_id = active.app_id
        left join
            goals on apps.district_id = goals.district_id and apps.app_id = goals.app_id
    )

select
    district_id,
    app_id,
    active_students,
    seats,
    case
        when seats > 0 then {{ divide("active_students", "seats", scale=0) }}
    end as licence_use,
    case
        when active_students > 0
        then {{ divide("annual_cost", "cast(active_students as decimal(24, 6))") }}
    end as cost_per_active_student,
    case
        when student_weeks > 0 then {{ divide("met_weeks", "student_weeks", scale=0) }}
    end as goal_weeks_met_share,
from joined
