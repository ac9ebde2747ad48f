-- one row per student, app and school year with use up to as_of. A night adds what it
-- changed (int_usage_changes); only a district without totals is counted from its days,
-- so a night's cost does not grow with history
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=["district_id", "student_id", "app_id", "school_year_starts_on"],
        meta={"version": [], "keep": "day_count > 0"},
        pre_hook=[
            "{{ prepare_counts('int_usage_changes', is_void_total()) }}",
            "{{ note_open_totals() }}",
        ],
        post_hook="{{ forget_counted_changes('int_usage_changes') }}",
    )
}}
-- depends_on: {{ ref("int_usage_changes") }}
with
    districts as (
        select district_id, as_of, school_year_month, school_year_day
        from {{ ref("int_districts") }}
    ),

    {% if is_incremental() -%}
    counted_districts as (
        -- a set of tenants, not a repair of duplicates
        select distinct district_id from {{ this }}
    ),

    uncounted_districts as (
        select districts.*
        from districts
        left join counted_districts
            on districts.district_id = counted_districts.district_id
        where counted_districts.district_id is null
    ),
    {%- else -%}
    uncounted_districts as (select * from districts),
    {%- endif %}

    days as (
        select
            versions.district_id,
            versions.student_id,
            versions.app_id,
            {{ school_year_start("versions.usage_date", "districts.school_year_month", "districts.school_year_day") }}
                as school_year_starts_on,
            versions.usage_date,
            versions.usage_minutes,
            versions.session_count,
            versions.usage_minutes > 0 or versions.session_count > 0 as is_used,
        from {{ ref("int_usage_versions") }} as versions
        inner join uncounted_districts as districts
            on versions.district_id = districts.district_id
            and versions.usage_date <= districts.as_of
        where not versions.is_deleted
    ),

    counted_from_days as (
        select
            district_id,
            student_id,
            app_id,
            school_year_starts_on,
            cast(sum(usage_minutes) as decimal(28, 6)) as usage_minutes,
            cast(sum(session_count) as bigint) as session_count,
            count(*) as day_count,
            cast(sum(case when is_used then 1 else 0 end) as bigint) as days_used,
            min(case when is_used then usage_date end) as first_used_on,
            max(case when is_used then usage_date end) as last_used_on,
        from days
        group by district_id, student_id, app_id, school_year_starts_on
    )
    {%- if is_incremental() %},

    changes as (
        select
            changes.district_id,
            changes.student_id,
            changes.app_id,
            {{ school_year_start("changes.usage_date", "districts.school_year_month", "districts.school_year_day") }}
                as school_year_starts_on,
            changes.usage_date,
            case when changes.is_deleted then 0 else 1 end as days,
            case when changes.is_deleted then 0 else changes.usage_minutes end as minutes,
            case when changes.is_deleted then 0 else changes.session_count end as sessions,
            case when coalesce(changes.was_is_deleted, true) then 0 else 1 end as was_days,
            case
                when coalesce(changes.was_is_deleted, true) then 0
                else changes.was_usage_minutes
            end as was_minutes,
            case
                when coalesce(changes.was_is_deleted, true) then 0
                else changes.was_session_count
            end as was_sessions,
        from {{ ref("int_usage_changes") }} as changes
        inner join districts
            on changes.district_id = districts.district_id
            and changes.usage_date <= districts.as_of
        inner join counted_districts
            on changes.district_id = counted_districts.district_id
    ),

    uses as (
        select
            *,
            minutes > 0 or sessions > 0 as is_used,
            was_minutes > 0 or was_sessions > 0 as was_used,
        from changes
    ),

    differences as (
        select
            district_id,
            student_id,
            app_id,
            school_year_starts_on,
            sum(minutes - was_minutes) as usage_minutes,
            sum(sessions - was_sessions) as session_count,
            sum(days - was_days) as day_count,
            sum(
                case when is_used then 1 else 0 end - case when was_used then 1 else 0 end
            ) as days_used,
            min(case when is_used then usage_date end) as first_used_on,
            max(case when is_used then usage_date end) as last_used_on,
        from uses
        group by district_id, student_id, app_id, school_year_starts_on
    ),

    open_ends as (
        select
            versions.district_id,
            versions.student_id,
            versions.app_id,
            open_totals.school_year_starts_on,
            min(versions.usage_date) as first_used_on,
            max(versions.usage_date) as last_used_on,
        from {{ ref("int_usage_versions") }} as versions
        inner join open_totals
            on versions.district_id = open_totals.district_id
            and versions.student_id = open_totals.student_id
            and versions.app_id = open_totals.app_id
        inner join districts
            on versions.district_id = districts.district_id
            and versions.usage_date <= districts.as_of
        where
            not versions.is_deleted
            and (versions.usage_minutes > 0 or versions.session_count > 0)
            and {{ school_year_start(
                "versions.usage_date",
                "districts.school_year_month",
                "districts.school_year_day",
            ) }} = open_totals.school_year_starts_on
        group by
            versions.district_id,
            versions.student_id,
            versions.app_id,
            open_totals.school_year_starts_on
    ),

    counted_from_changes as (
        select
            differences.district_id,
            differences.student_id,
            differences.app_id,
            differences.school_year_starts_on,
            cast(
                coalesce(totals.usage_minutes, 0) + differences.usage_minutes
                as decimal(28, 6)
            ) as usage_minutes,
            cast(
                coalesce(totals.session_count, 0) + differences.session_count as bigint
            ) as session_count,
            cast(coalesce(totals.day_count, 0) + differences.day_count as bigint)
                as day_count,
            cast(coalesce(totals.days_used, 0) + differences.days_used as bigint)
                as days_used,
            case
                when open_totals.district_id is not null then open_ends.first_used_on
                else least(totals.first_used_on, differences.first_used_on)
            end as first_used_on,
            case
                when open_totals.district_id is not null then open_ends.last_used_on
                else greatest(totals.last_used_on, differences.last_used_on)
            end as last_used_on,
        from differences
        left join {{ this }} as totals
            on differences.district_id = totals.district_id
            and differences.student_id = totals.student_id
            and differences.app_id = totals.app_id
            and differences.school_year_starts_on = totals.school_year_starts_on
        left join open_totals
            on differences.district_id = open_totals.district_id
            and differences.student_id = open_totals.student_id
            and differences.app_id = open_totals.app_id
            and differences.school_year_starts_on = open_totals.school_year_starts_on
        left join open_ends
            on differences.district_id = open_ends.district_id
            and differences.student_id = open_ends.student_id
            and differences.app_id = open_ends.app_id
            and differences.school_year_starts_on = open_ends.school_year_starts_on
    )
    {%- endif %}

select * from counted_from_days
{% if is_incremental() -%}
union all
select * from counted_from_changes
{%- endif %}
