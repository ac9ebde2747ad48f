-- one row per event: a repeated event_id counts once, as its newest delivery tells it
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=["district_id", "event_id"],
        meta={
            "version": ["file_modified_at", "path", "record_number"],
            "changes": ["int_event_changes"],
        },
        post_hook="{{ touch_all_events() }}",
    )
}}
-- depends_on: {{ ref("int_event_changes") }}
with
    events as (
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
    )

{{ newest_rows(
    "events",
    key=["district_id", "event_id"],
    version=["file_modified_at", "path", "record_number"],
) }}
