-- one row per student, app and day: the newest version of the key, withdrawn ones too,
-- so that an older row that arrives later revives nothing
{% set key = ["district_id", "student_id", "app_id", "usage_date"] %}
{% set version = [
    "source_rank",
    "updated_at",
    "file_modified_at",
    "path",
    "record_number",
] %}
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=key,
        meta={
            "version": version,
            "always": "kept.source_rank = 0 and fresh.source_rank = 0",
            "superseded": "int_superseded_usage",
            "sort": "usage_date",
            "partition": "usage_date",
        },
        pre_hook="{{ forget_counted('int_superseded_usage', usage_readers()) }}",
        post_hook="{{ end_counting('int_event_versions') }}",
    )
}}
-- depends_on: {{ ref("int_superseded_usage") }}, {{ ref("int_usage_marks") }}
-- depends_on: {{ ref("int_event_bounds") }}, {{ ref("int_event_versions") }}
-- depends_on: {{ ref("int_districts") }}
with
    daily_totals as {{ not_materialized() }} (
        select
            district_id,
            student_id,
            app_id,
            usage_date,
            coalesce(usage_minutes, 0) as usage_minutes,
            session_count,
            is_deleted,
            -- a daily total, a withdrawn one too, wins against events of the same day
            1 as source_rank,
            updated_at,
            file_modified_at,
            path,
            record_number,
        from {{ ref("stg_landing__app_usage") }}
        where is_loaded
    ),

    event_days as (
        select
            district_id,
            student_id,
            app_id,
            usage_date,
            usage_minutes,
            session_count,
            false as is_deleted,
            0 as source_rank,
            file_modified_at as updated_at,
            file_modified_at,
            '' as path,
            cast(0 as bigint) as record_number,
        from {{ ref("int_event_days") }}
    ),

    {% if is_incremental() -%}
        days_without_events as (
            select
                kept.district_id,
                kept.student_id,
                kept.app_id,
                kept.usage_date,
                cast(0 as decimal(18, 6)) as usage_minutes,
                cast(0 as bigint) as session_count,
                true as is_deleted,
                0 as source_rank,
                kept.updated_at,
                kept.file_modified_at,
                '' as path,
                cast(0 as bigint) as record_number,
            from {{ this }} as kept
            inner join
                {{ ref("int_event_bounds") }} as bounds
                on kept.district_id = bounds.district_id
                and kept.student_id = bounds.student_id
                and kept.usage_date >= bounds.first_date
            left join
                event_days
                on kept.district_id = event_days.district_id
                and kept.student_id = event_days.student_id
                and kept.app_id = event_days.app_id
                and kept.usage_date = event_days.usage_date
            where
                kept.source_rank = 0
                and not kept.is_deleted
                and event_days.district_id is null
        ),
    {%- endif %}

    versions as {{ not_materialized() }} (
        select *
        from daily_totals
        union all
        select *
        from event_days
        {% if is_incremental() -%}
            union all
            select *
            from days_without_events
        {%- endif %}
    ),

    newest as (
        {{
            newest_rows(
                "versions",
                key=key,
                version=version,
            )
        }}
    )

select newest.*, {{ merge_number() }} as merged_in,
from newest
{% if not is_incremental() %} order by usage_date {% endif %}
