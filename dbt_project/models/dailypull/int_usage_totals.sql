-- one row per student, app and school year with use up to as_of. A night adds what it
-- changed; only a district without a mark is counted from its days, so a night's cost
-- does not grow with history
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=["district_id", "student_id", "app_id", "school_year_starts_on"],
        meta={"version": [], "keep": "day_count > 0", "rebuilt_on_spark": true},
        pre_hook=[
            "{{ begin_counting(is_void_total()) }}",
            "{{ note_open_totals() }}",
        ],
        post_hook="{{ end_counting() }}",
    )
}}
-- depends_on: {{ ref("int_usage_marks") }}, {{ ref("int_superseded_usage") }}
with
    uncounted_districts as ({{ uncounted_districts() }}),

    days as (
        select
            versions.district_id,
            versions.student_id,
            versions.app_id,
            {{
                school_year_start(
                    "versions.usage_date",
                    "districts.school_year_month",
                    "districts.school_year_day",
                )
            }} as school_year_starts_on,
            versions.usage_date,
            versions.usage_minutes,
            versions.session_count,
            versions.usage_minutes > 0 or versions.session_count > 0 as is_used,
        from {{ ref("int_usage_versions") }} as versions
        inner join
            uncounted_districts as districts
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
    {%- if is_incremental() %}
        ,

        changes as ({{ usage_changes() }}),

        differences as (
            select
                district_id,
                student_id,
                app_id,
                school_year_starts_on,
                sum(sign * usage_minutes) as usage_minutes,
                sum(sign * session_count) as session_count,
                sum(sign) as day_count,
                sum(case when is_used then sign else 0 end) as days_used,
                min(
                    case when is_used and sign = 1 then usage_date end
                ) as first_used_on,
                max(case when is_used and sign = 1 then usage_date end) as last_used_on,
            from changes
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
            inner join
                open_totals
                on versions.district_id = open_totals.district_id
                and versions.student_id = open_totals.student_id
                and versions.app_id = open_totals.app_id
                and versions.usage_date >= open_totals.school_year_starts_on
            inner join
                ({{ counted_districts() }}) as districts
                on versions.district_id = districts.district_id
                and versions.usage_date <= districts.as_of
            where
                not versions.is_deleted
                and (versions.usage_minutes > 0 or versions.session_count > 0)
                and {{
                    school_year_start(
                        "versions.usage_date",
                        "districts.school_year_month",
                        "districts.school_year_day",
                    )
                }} = open_totals.school_year_starts_on
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
                    coalesce(totals.usage_minutes, 0)
                    + differences.usage_minutes as decimal(28, 6)
                ) as usage_minutes,
                cast(
                    coalesce(totals.session_count, 0)
                    + differences.session_count as bigint
                ) as session_count,
                cast(
                    coalesce(totals.day_count, 0) + differences.day_count as bigint
                ) as day_count,
                cast(
                    coalesce(totals.days_used, 0) + differences.days_used as bigint
                ) as days_used,
                case
                    when open_totals.district_id is not null
                    then open_ends.first_used_on
                    else least(totals.first_used_on, differences.first_used_on)
                end as first_used_on,
                case
                    when open_totals.district_id is not null
                    then open_ends.last_used_on
                    else greatest(totals.last_used_on, differences.last_used_on)
                end as last_used_on,
            from differences
            left join
                {{ this }} as totals
                on differences.district_id = totals.district_id
                and differences.student_id = totals.student_id
                and differences.app_id = totals.app_id
                and differences.school_year_starts_on = totals.school_year_starts_on
            left join
                open_totals
                on differences.district_id = open_totals.district_id
                and differences.student_id = open_totals.student_id
                and differences.app_id = open_totals.app_id
                and differences.school_year_starts_on
                = open_totals.school_year_starts_on
            left join
                open_ends
                on differences.district_id = open_ends.district_id
                and differences.student_id = open_ends.student_id
                and differences.app_id = open_ends.app_id
                and differences.school_year_starts_on = open_ends.school_year_starts_on
        )
    {%- endif %}

select *
from counted_from_days
{% if is_incremental() -%}
    union all
    select *
    from counted_from_changes
{%- endif %}
