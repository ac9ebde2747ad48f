-- one row per event: a repeated event_id counts once, as its newest delivery tells it
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=["district_id", "event_id"],
        meta={
            "version": ["file_modified_at", "path", "record_number"],
            "superseded": "int_superseded_events",
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

    guests as (select district_id, user_id from {{ ref("int_guests") }}),

    -- rows of nobody, of the guest account and anonymous ones are no student's
    log_rows as (
        select
            log.district_id,
            'moodle-log-' || log.id as event_id,
            log.user_id as student_id,
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
        left join
            guests
            on log.district_id = guests.district_id
            and log.user_id = guests.user_id
        where
            log.user_id is not null and not log.is_anonymous and guests.user_id is null
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
                key=["district_id", "event_id"],
                version=["file_modified_at", "path", "record_number"],
            )
        }}
    )

select newest.*, {{ merge_number() }} as merged_in,
from newest
