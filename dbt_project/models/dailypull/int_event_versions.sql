-- one row per event: a repeated event_id counts once, as its newest delivery tells it
{% set key = ["district_id", "event_id"] %}
{% set version = ["file_modified_at", "path", "record_number"] %}
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=key,
        meta={
            "version": version,
            "superseded": "int_superseded_events",
            "keep": "student_id is not null",
        },
        pre_hook="{{ forget_counted('int_superseded_events', ['int_usage_versions']) }}",
    )
}}
-- depends_on: {{ ref("int_superseded_events") }}, {{ ref("int_usage_marks") }}
with
    events as {{ not_materialized() }} (
        select
            district_id,
            event_id,
            student_id,
            app_id,
            occurred_at,
            duration_seconds,
            file_modified_at,
            path,
            record_number,
        from {{ ref("stg_landing__events") }}
        where is_loaded
    ),

    this_night as (
        select path, modified_at
        from {{ ref("stg_landing__files") }}
        where status = 'new'
    ),

    -- rows of nobody and anonymous ones are no student's: they replace what an earlier
    -- delivery told, and are not kept
    log_rows as (
        select
            log.district_id,
            'moodle-log-' || log.id as event_id,
            case when not log.is_anonymous then log.user_id end as student_id,
            log.component as app_id,
            {{ timestamp_of("log.happened_at") }} as occurred_at,
            cast(null as decimal(18, 6)) as duration_seconds,
            log.file_modified_at,
            log.path,
            log.record_number,
        from {{ ref("int_moodle_log") }} as log
        inner join
            this_night
            on log.path = this_night.path
            and log.file_modified_at = this_night.modified_at
        inner join
            {{ ref("int_analytics_settings") }} as settings
            on log.district_id = settings.district_id
            and log.logstore = settings.logstore
    ),

    all_events as {{ not_materialized() }} (
        select *
        from events
        union all
        select *
        from log_rows
    ),

    newest as (
        {{
            newest_rows(
                "all_events",
                key=key,
                version=version,
            )
        }}
    )

select newest.*, {{ merge_number() }} as merged_in,
from newest
{% if not is_incremental() %} where student_id is not null {% endif %}
