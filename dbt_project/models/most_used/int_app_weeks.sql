-- one row per app and ISO week of the school year so far: students who used it on a day
-- of that week, and how many of them met the weekly goal. A night counts only the
-- student weeks that it changed: what they are now, less what they were
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=["district_id", "app_id", "week_starts_on"],
        meta={"version": [], "keep": "active_students > 0", "rebuilt_on_spark": true},
        pre_hook=[
            "{{ begin_counting(is_void_week()) }}",
            "{{ note_touched_weeks() }}",
        ],
        post_hook="{{ end_counting(districts='is_enabled') }}",
    )
}}
-- depends_on: {{ ref("int_usage_marks") }}, {{ ref("int_superseded_usage") }}
with
    goals as (
        select district_id, app_id, weekly_minutes_goal
        from {{ ref("int_district_apps") }}
    ),

    uncounted_districts as ({{ uncounted_districts() }}),

    student_weeks as (
        select
            versions.district_id,
            versions.student_id,
            versions.app_id,
            {{ week_start("versions.usage_date") }} as week_starts_on,
            sum(versions.usage_minutes) as minutes,
        from {{ ref("int_usage_versions") }} as versions
        inner join
            uncounted_districts as districts
            on versions.district_id = districts.district_id
            and districts.is_enabled
            and versions.usage_date >= districts.school_year_starts_on
            and versions.usage_date <= districts.as_of
        where
            not versions.is_deleted
            and (versions.usage_minutes > 0 or versions.session_count > 0)
        group by
            versions.district_id,
            versions.student_id,
            versions.app_id,
            {{ week_start("versions.usage_date") }}
    ),

    counted_from_days as (
        select
            weeks.district_id,
            weeks.app_id,
            weeks.week_starts_on,
            count(*) as active_students,
            sum(
                case when weeks.minutes >= goals.weekly_minutes_goal then 1 else 0 end
            ) as met_students,
        from student_weeks as weeks
        left join
            goals
            on weeks.district_id = goals.district_id
            and weeks.app_id = goals.app_id
        group by weeks.district_id, weeks.app_id, weeks.week_starts_on
    ),

    {% if is_incremental() -%}
        -- an equality on the day lets the engine skip what lies outside every touched
        -- week
        touched_days as (
            {{ days_between("touched_weeks", "week_starts_on", "week_ends_on") }}
        ),

        -- inner joins, so that the engine looks the days up among the few touched
        -- weeks, where a left join would hash the year; and no CTE of all days, which
        -- would be written out
        sums as (
            select
                touched.district_id,
                touched.student_id,
                touched.app_id,
                touched.week_starts_on,
                sum(versions.usage_minutes) as minutes,
                count(*) as days,
            from {{ ref("int_usage_versions") }} as versions
            inner join
                touched_weeks as touched
                on versions.district_id = touched.district_id
                and versions.student_id = touched.student_id
                and versions.app_id = touched.app_id
                and {{ week_start("versions.usage_date") }} = touched.week_starts_on
                and versions.usage_date >= touched.school_year_starts_on
                and versions.usage_date <= touched.as_of
            where
                versions.usage_date in (select usage_date from touched_days)
                and not versions.is_deleted
                and (versions.usage_minutes > 0 or versions.session_count > 0)
            group by
                touched.district_id,
                touched.student_id,
                touched.app_id,
                touched.week_starts_on
        ),

        now as (
            select
                touched.district_id,
                touched.student_id,
                touched.app_id,
                touched.week_starts_on,
                touched.more_minutes,
                touched.more_days,
                coalesce(sums.minutes, 0) as minutes,
                coalesce(sums.days, 0) as days,
            from touched_weeks as touched
            left join
                sums
                on touched.district_id = sums.district_id
                and touched.student_id = sums.student_id
                and touched.app_id = sums.app_id
                and touched.week_starts_on = sums.week_starts_on
        ),

        differences as (
            select
                now.district_id,
                now.app_id,
                now.week_starts_on,
                sum(
                    case when now.days > 0 then 1 else 0 end
                    - case when now.days > now.more_days then 1 else 0 end
                ) as active_students,
                sum(
                    case
                        when now.days > 0 and now.minutes >= goals.weekly_minutes_goal
                        then 1
                        else 0
                    end - case
                        when
                            now.days > now.more_days
                            and now.minutes - now.more_minutes
                            >= goals.weekly_minutes_goal
                        then 1
                        else 0
                    end
                ) as met_students,
            from now
            left join
                goals
                on now.district_id = goals.district_id
                and now.app_id = goals.app_id
            group by now.district_id, now.app_id, now.week_starts_on
        ),
    {%- endif %}

    counted as (
        select *
        from counted_from_days
        {% if is_incremental() -%}
            union all
            select
                differences.district_id,
                differences.app_id,
                differences.week_starts_on,
                differences.active_students
                + coalesce(kept.active_students, 0) as active_students,
                differences.met_students
                + coalesce(kept.met_students, 0) as met_students,
            from differences
            left join
                {{ this }} as kept
                on differences.district_id = kept.district_id
                and differences.app_id = kept.app_id
                and differences.week_starts_on = kept.week_starts_on
        {%- endif %}
    )

select
    counted.district_id,
    counted.app_id,
    counted.week_starts_on,
    goals.weekly_minutes_goal,
    cast(counted.active_students as bigint) as active_students,
    cast(counted.met_students as bigint) as met_students,
from counted
left join
    goals on counted.district_id = goals.district_id and counted.app_id = goals.app_id
