-- one row per range, user and type of activity: how deep and how broad the user went,
-- of what the activities of the range offer; the Community of Inquiry model. Shares are
-- counted in sixtieths, which every potential divides, so that no order of rows matters
with
    activities as (select * from {{ ref("int_activities_in_range") }}),
    done as (select * from {{ ref("int_log_activity") }}),
    sites as (select district_id, logstore from {{ ref("int_analytics_sites") }}),

    members as (
        select distinct
            district_id,
            course_id,
            coalesce(user_id, '') as user_id,
            time_start,
            time_end,
        from {{ ref("int_samples") }}
        where
            course_id is not null
            and (
                indicators like '%cognitive_depth%'
                or indicators like '%social_breadth%'
            )
    ),

    grades as (
        select
            grades.district_id,
            activities.course_module_id,
            grades.userid as user_id,
            min(
                coalesce(nullif(grades.timemodified, 0), nullif(grades.timecreated, 0))
            ) as graded_at,
        from {{ moodle("grade_grades") }} as grades
        inner join
            {{ moodle("grade_items") }} as items
            on grades.district_id = items.district_id
            and grades.itemid = items.id
        inner join
            {{ ref("int_activities") }} as activities
            on items.district_id = activities.district_id
            and items.itemmodule = activities.module
            and items.iteminstance = activities.instance_id
        where
            grades.finalgrade is not null
            and items.itemtype = 'mod'
            and activities.feedback_from = 'grade'
        group by grades.district_id, activities.course_module_id, grades.userid
    ),

    posts as (
        select log.district_id, log.course_module_id, log.user_id, log.happened_at,
        from {{ ref("int_moodle_log") }} as log
        inner join
            {{ ref("module_events") }} as events
            on log.event_name = events.event_name
            and events.shows = 'posted'
        inner join
            sites
            on log.district_id = sites.district_id
            and log.logstore = sites.logstore
    ),

    -- what answers a post: the first one of somebody else after it, within the range
    answers as (
        select
            done.district_id,
            done.course_module_id,
            done.user_id,
            done.time_start,
            done.time_end,
            min(posts.happened_at) as answered_at,
        from done
        inner join
            posts
            on done.district_id = posts.district_id
            and done.course_module_id = posts.course_module_id
            and done.user_id <> posts.user_id
            -- not an equality: posts after the user's own first one
            and posts.happened_at > done.first_posted_at
            and posts.happened_at <= done.time_end
        where done.first_posted_at is not null
        group by
            done.district_id,
            done.course_module_id,
            done.user_id,
            done.time_start,
            done.time_end
    ),

    with_feedback as (
        select
            members.district_id,
            members.course_id,
            members.user_id,
            members.time_start,
            members.time_end,
            activities.module,
            activities.cognitive_potential,
            activities.social_potential,
            coalesce(done.row_count, 0) > 0 as has_rows,
            coalesce(done.write_count, 0) > 0 as has_writes,
            -- nothing counts as seen or answered before there was feedback
            case
                activities.feedback_from
                when 'grade'
                then grades.graded_at
                when 'others'
                then answers.answered_at
                when 'results'
                then coalesce(activities.results_at, done.first_written_at)
            end as feedback_at,
            done.last_viewed_at,
            coalesce(
                case
                    when activities.feedback_from = 'others' then done.last_posted_at
                end,
                done.last_replied_at
            ) as last_replied_at,
            done.last_submitted_at,
        from members
        inner join
            activities
            on members.district_id = activities.district_id
            and members.course_id = activities.course_id
            and members.time_start = activities.time_start
            and members.time_end = activities.time_end
        left join
            done
            on members.district_id = done.district_id
            and members.course_id = done.course_id
            and members.user_id = done.user_id
            and members.time_start = done.time_start
            and members.time_end = done.time_end
            and activities.course_module_id = done.course_module_id
        left join
            grades
            on members.district_id = grades.district_id
            and members.user_id = grades.user_id
            and activities.course_module_id = grades.course_module_id
        left join
            answers
            on members.district_id = answers.district_id
            and members.user_id = answers.user_id
            and members.time_start = answers.time_start
            and members.time_end = answers.time_end
            and activities.course_module_id = answers.course_module_id
    ),

    reached as (
        select
            *,
            case
                when cognitive_potential >= 5 and last_submitted_at > feedback_at
                then 5
                when cognitive_potential >= 4 and last_replied_at > feedback_at
                then 4
                when cognitive_potential >= 3 and last_viewed_at > feedback_at
                then 3
                when cognitive_potential >= 2 and has_writes
                then 2
                when has_rows
                then 1
                else 0
            end as cognitive_level,
            case
                when social_potential >= 2 and last_viewed_at > feedback_at
                then 2
                when has_rows
                then 1
                else 0
            end as social_level,
        from with_feedback
    )

select
    district_id,
    course_id,
    user_id,
    time_start,
    time_end,
    module,
    cast(count(*) as bigint) as activity_count,
    cast(
        sum(cognitive_level * cast(60 / cognitive_potential as integer)) as bigint
    ) as cognitive_sixtieths,
    cast(
        sum(social_level * cast(60 / social_potential as integer)) as bigint
    ) as social_sixtieths,
from reached
group by district_id, course_id, user_id, time_start, time_end, module
