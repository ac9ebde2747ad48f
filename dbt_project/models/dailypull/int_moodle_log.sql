-- one row per row of a site's log, of either store, in one form: a row is an event in a
-- course or one of its modules; the legacy store's words are translated here
{% set key = ["district_id", "logstore", "id"] %}
{% set version = ["file_modified_at", "path", "record_number"] %}
{{
    config(
        materialized="incremental",
        incremental_strategy="newest_version",
        unique_key=key,
        meta={
            "version": version,
            "sort": "happened_at",
        },
    )
}}
with
    staged as {{ not_materialized() }} (
        select * from {{ ref("stg_moodle__log") }} where is_loaded
    ),

    standard_log as (
        select
            district_id,
            'standard' as logstore,
            id,
            timecreated as happened_at,
            userid as user_id,
            courseid as course_id,
            contextinstanceid as course_module_id,
            contextlevel as context_level,
            coalesce(component, 'core') as component,
            eventname as event_name,
            lower(crud) as crud,
            coalesce(anonymous, 0) <> 0 as is_anonymous,
            file_modified_at,
            path,
            record_number,
        from staged
        where table_name = 'moodle/logstore_standard_log'
    ),

    legacy_log as (
        select
            district_id,
            'legacy' as logstore,
            id,
            timecreated as happened_at,
            userid as user_id,
            courseid as course_id,
            nullif(contextinstanceid, 0) as course_module_id,
            case
                when contextinstanceid > 0 then 70 when courseid > 1 then 50 else 10
            end as context_level,
            case
                when contextinstanceid > 0 then 'mod_' || module else 'core'
            end as component,
            case
                when coalesce(contextinstanceid, 0) = 0
                then null
                when module = 'assign' and action = 'view feedback'
                then '\mod_assign\event\feedback_viewed'
                when module = 'assign' and action in ('submit', 'submit for grading')
                then '\mod_assign\event\assessable_submitted'
                when module = 'quiz' and action = 'close attempt'
                then '\mod_quiz\event\attempt_submitted'
                when
                    module = 'workshop'
                    and action in ('add submission', 'update submission')
                then '\mod_workshop\event\assessable_uploaded'
                when module = 'lesson' and action = 'end'
                then '\mod_lesson\event\lesson_ended'
                when module = 'lesson' and action = 'start'
                then '\mod_lesson\event\lesson_restarted'
                when module = 'forum' and action in ('add post', 'add discussion')
                then '\mod_forum\event\assessable_uploaded'
                when module = 'forum' and action = 'view discussion'
                then '\mod_forum\event\discussion_viewed'
                when module = 'chat' and action = 'talk'
                then '\mod_chat\event\message_sent'
                when action like 'view%'
                then '\mod_' || module || '\event\course_module_viewed'
            end as event_name,
            case
                when action like 'delete%' or action like 'remove%'
                then 'd'
                when
                    action like 'update%'
                    or action like 'edit%'
                    or action like 'close attempt%'
                    or action like 'move%'
                then 'u'
                when
                    action like 'add%'
                    or action like 'submit%'
                    or action like 'upload%'
                    or action like 'attempt%'
                    or action like 'choose%'
                    or action like 'start%'
                    or action in ('post', 'talk', 'enrol', 'continue attempt', 'end')
                then 'c'
                else 'r'
            end as crud,
            false as is_anonymous,
            file_modified_at,
            path,
            record_number,
        from staged
        where table_name = 'moodle/log'
    ),

    both_logs as {{ not_materialized() }} (
        select *
        from standard_log
        union all
        select *
        from legacy_log
    )

    {{
        newest_rows(
            "both_logs",
            key=key,
            version=version,
        )
    }}
{% if not is_incremental() %} order by happened_at {% endif %}
