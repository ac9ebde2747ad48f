-- one row per range, user and activity (0: the course itself) that the user left rows
-- in: the one pass over the log that every indicator of activity is made of. For a
-- course as the sample the user is ''
with
    samples as (select * from {{ ref("int_samples") }} where course_id is not null),
    sites as (
        select district_id, logstore, now_at from {{ ref("int_analytics_sites") }}
    ),
    events as (select event_name, shows from {{ ref("module_events") }}),

    -- models and purposes share ranges
    members as (
        select distinct
            district_id,
            course_id,
            coalesce(user_id, '') as user_id,
            time_start,
            time_end,
        from samples
    ),

    log as (
        select
            log.district_id,
            log.course_id,
            log.user_id,
            coalesce(log.course_module_id, 0) as course_module_id,
            log.context_level,
            log.happened_at,
            log.crud,
            log.is_anonymous,
            events.shows,
        from {{ ref("int_moodle_log") }} as log
        inner join
            sites
            on log.district_id = sites.district_id
            and log.logstore = sites.logstore
            and log.happened_at <= sites.now_at
        left join events on log.event_name = events.event_name
        where log.course_id is not null
    ),

    {% set measures -%}
        count(*) as row_count,
        sum(case when log.crud in ('c', 'u') then 1 else 0 end) as write_count,
        sum(
            case when log.crud in ('c', 'u') and not log.is_anonymous then 1 else 0 end
        ) as signed_write_count,
        sum(
            case when log.context_level = 50 and log.crud = 'r' then 1 else 0 end
        ) as course_read_count,
        sum(
            case
                when log.context_level = 50 and log.crud in ('c', 'u') and not log.is_anonymous
                then 1
                else 0
            end
        ) as course_write_count,
        min(case when log.crud in ('c', 'u') then log.happened_at end) as first_written_at,
        min(case when log.shows = 'posted' then log.happened_at end) as first_posted_at,
        max(case when log.shows = 'posted' then log.happened_at end) as last_posted_at,
        max(case when log.shows = 'viewed' then log.happened_at end) as last_viewed_at,
        max(case when log.shows = 'replied' then log.happened_at end) as last_replied_at,
        max(case when log.shows = 'submitted' then log.happened_at end) as last_submitted_at,
    {%- endset %}

    by_user as (
        select
            members.district_id,
            members.course_id,
            members.user_id,
            members.time_start,
            members.time_end,
            log.course_module_id,
            {{ measures }}
        from log
        inner join
            members
            on log.district_id = members.district_id
            and log.course_id = members.course_id
            and log.user_id = members.user_id
            and log.happened_at > members.time_start
            and log.happened_at <= members.time_end
        group by
            members.district_id,
            members.course_id,
            members.user_id,
            members.time_start,
            members.time_end,
            log.course_module_id
    ),

    by_course as (
        select
            members.district_id,
            members.course_id,
            members.user_id,
            members.time_start,
            members.time_end,
            log.course_module_id,
            {{ measures }}
        from log
        inner join
            members
            on log.district_id = members.district_id
            and log.course_id = members.course_id
            and log.happened_at > members.time_start
            and log.happened_at <= members.time_end
        where members.user_id = ''
        group by
            members.district_id,
            members.course_id,
            members.user_id,
            members.time_start,
            members.time_end,
            log.course_module_id
    )

select *
from by_user
union all
select *
from by_course
