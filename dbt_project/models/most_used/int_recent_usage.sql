-- one row per student and app used in the student's window: the 28 days that end with
-- the last use, whatever the school year; what lies in the year is counted apart. A
-- window changes only with its student's days, so a night counts those again whose days
-- it changed
{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        meta={"rebuilt_on_spark": true},
        pre_hook=[
            "{{ begin_counting(is_void_year()) }}",
            "{{ forget_stale_windows() }}",
        ],
        post_hook="{{ end_counting(districts='is_enabled') }}",
    )
}}
-- depends_on: {{ ref("int_usage_marks") }}, {{ ref("int_superseded_usage") }}
with
    districts as (
        select district_id, school_year_starts_on
        from {{ ref("int_districts") }}
        where is_enabled
    ),

    versions as (select * from {{ ref("int_usage_versions") }} where not is_deleted),

    ends as (
        select district_id, student_id, max(last_used_on) as window_ends_on
        from {{ ref("int_usage_totals") }}
        group by district_id, student_id
    ),

    uncounted_districts as ({{ uncounted_districts() }}),

    windows as (
        select
            ends.district_id,
            ends.student_id,
            cast(
                {{ dbt.dateadd("day", -27, "ends.window_ends_on") }} as date
            ) as window_starts_on,
            ends.window_ends_on,
            districts.school_year_starts_on,
        from ends
        inner join districts on ends.district_id = districts.district_id
        {% if is_incremental() -%}
            left join
                uncounted_districts as uncounted
                on ends.district_id = uncounted.district_id
            left join
                stale_windows as stale
                on ends.district_id = stale.district_id
                and ends.student_id = stale.student_id
        {%- endif %}
        where
            ends.window_ends_on is not null
            {% if is_incremental() -%}
                and (uncounted.district_id is not null or stale.student_id is not null)
            {%- endif %}
    ),

    -- an equality on the day lets the engine skip what lies before every window. Of a
    -- join it would expect fewer days of use than windows, and hash the days
    days as ({{ days_between("windows", "window_starts_on", "window_ends_on") }})

select
    windows.district_id,
    windows.student_id,
    versions.app_id,
    cast(sum(versions.usage_minutes) as decimal(28, 6)) as window_minutes,
    {% set is_in_year = "versions.usage_date >= windows.school_year_starts_on" -%}
    cast(
        sum(
            case when {{ is_in_year }} then versions.usage_minutes else 0 end
        ) as decimal(28, 6)
    ) as usage_minutes,
    cast(
        sum(case when {{ is_in_year }} then versions.session_count else 0 end) as bigint
    ) as session_count,
    cast(sum(case when {{ is_in_year }} then 1 else 0 end) as bigint) as days_used,
    max(versions.usage_date) as last_used_on,
from versions
inner join
    windows
    on versions.district_id = windows.district_id
    and versions.student_id = windows.student_id
    and versions.usage_date >= windows.window_starts_on
    and versions.usage_date <= windows.window_ends_on
where
    versions.usage_date in (select usage_date from days)
    and (versions.usage_minutes > 0 or versions.session_count > 0)
group by windows.district_id, windows.student_id, versions.app_id
