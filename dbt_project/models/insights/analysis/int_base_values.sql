-- one row per range, course or user, and indicator that can be calculated: the values
-- that models and static targets share
with
    sites as (select * from {{ ref("int_analytics_sites") }}),
    courses as (select * from {{ ref("int_moodle_courses") }}),
    done as (select * from {{ ref("int_log_activity") }}),
    modules as (select * from {{ ref("int_module_values") }}),

    members as (
        select distinct
            district_id,
            coalesce(course_id, 0) as course_id,
            coalesce(user_id, '') as user_id,
            time_start,
            time_end,
        from {{ ref("int_samples") }}
    ),

    activity as (
        select
            district_id,
            course_id,
            user_id,
            time_start,
            time_end,
            sum(row_count) as row_count,
            sum(signed_write_count) as write_count,
            sum(course_read_count) as read_count,
            sum(course_write_count) as course_write_count,
        from done
        group by district_id, course_id, user_id, time_start, time_end
    ),

    -- the whole log, whatever the range
    ever as (
        select
            log.district_id,
            log.course_id,
            log.user_id,
            min(log.happened_at) as first_at,
            max(log.happened_at) as last_at,
        from {{ ref("int_moodle_log") }} as log
        inner join
            sites
            on log.district_id = sites.district_id
            and log.logstore = sites.logstore
            and log.happened_at <= sites.now_at
        where log.context_level = 50 and log.user_id is not null
        group by log.district_id, log.course_id, log.user_id
    ),

    potentials as (
        select
            district_id,
            course_id,
            max(cognitive_potential) as cognitive_potential,
            max(social_potential) as social_potential,
        from {{ ref("int_activities") }}
        group by district_id, course_id
    ),

    role_holders as (
        select
            holders.district_id,
            courses.course_id,
            max(
                case
                    when holders.role in ('editingteacher', 'teacher') then 1 else 0
                end
            ) as has_teacher,
            max(case when holders.role = 'student' then 1 else 0 end) as has_student,
        from {{ ref("int_role_holders") }} as holders
        inner join
            courses
            on holders.district_id = courses.district_id
            and holders.context_id = courses.context_id
        group by holders.district_id, courses.course_id
    ),

    last_accesses as (
        select district_id, userid as user_id, courseid as course_id, timeaccess,
        from {{ moodle("user_lastaccess") }}
    ),

    users as (select * from {{ moodle("user") }}),

    -- only where a model asks: nobody's calendar is looked at without need
    asked as (
        select distinct district_id, user_id, time_start, time_end,
        from {{ ref("int_samples") }}
        where
            user_id is not null
            and (
                target = 'upcoming_activities_due'
                or ' ' || indicators || ' ' like '% activities_due %'
            )
    ),

    -- whom a course's calendar concerns: who learns there and may enter
    learners as (
        select distinct
            students.district_id,
            students.course_id,
            students.user_id,
            active.starts_at,
            active.ends_at,
        from {{ ref("int_moodle_enrolments") }} as students
        inner join
            {{ ref("int_active_enrolments") }} as active
            on students.district_id = active.district_id
            and students.course_id = active.course_id
            and students.user_id = active.user_id
        inner join
            courses
            on students.district_id = courses.district_id
            and students.course_id = courses.course_id
            and courses.is_visible
    ),

    due_events as (
        select
            asked.district_id,
            asked.user_id,
            asked.time_start,
            asked.time_end,
            count(*) as event_count,
        from asked
        inner join
            {{ moodle("event") }} as events
            on asked.district_id = events.district_id
            and coalesce(nullif(events.timesort, 0), events.timestart)
            > asked.time_start
            and coalesce(nullif(events.timesort, 0), events.timestart) <= asked.time_end
            -- events that ask for something, not mere entries
            and events.type = 1
            and coalesce(events.visible, 1) = 1
        left join
            learners
            on asked.district_id = learners.district_id
            and asked.user_id = learners.user_id
            and events.courseid = learners.course_id
            and learners.starts_at <= asked.time_start
            and coalesce(learners.ends_at > asked.time_start, true)
        where
            case
                when events.userid is not null
                then events.userid = asked.user_id
                else learners.user_id is not null
            end
        group by asked.district_id, asked.user_id, asked.time_start, asked.time_end
    ),

    facts as (
        select
            members.*,
            courses.starts_at,
            courses.ends_at,
            courses.course_id is not null as is_in_course,
            members.user_id <> '' as has_user,
            coalesce(activity.row_count, 0) as row_count,
            coalesce(activity.write_count, 0) as write_count,
            coalesce(activity.read_count, 0) as read_count,
            coalesce(activity.course_write_count, 0) as course_write_count,
            ever.first_at,
            ever.last_at,
            coalesce(last_accesses.timeaccess, 0) as accessed_at,
            courses.is_completion_enabled
            and courses.has_completion_criteria as has_completion,
            potentials.cognitive_potential,
            potentials.social_potential,
            coalesce(role_holders.has_teacher, 0) as has_teacher,
            coalesce(role_holders.has_student, 0) as has_student,
            asked.user_id is not null as is_asked_what_is_due,
            due_events.event_count,
            users.userid is not null as is_known,
            users.trackforums,
            users.confirmed,
            -- a column that the site does not deliver is a field that is not filled
            coalesce(cast(users.description as integer), 0) as has_description,
            coalesce(cast(users.picture as integer), 0) as has_picture,
            coalesce(cast(users.institution as integer), 0)
            + coalesce(cast(users.department as integer), 0)
            + coalesce(cast(users.address as integer), 0)
            + coalesce(cast(users.city as integer), 0)
            + coalesce(cast(users.country as integer), 0) as filled_fields,
        from members
        left join
            courses
            on members.district_id = courses.district_id
            and members.course_id = courses.course_id
        left join
            activity
            on members.district_id = activity.district_id
            and members.course_id = activity.course_id
            and members.user_id = activity.user_id
            and members.time_start = activity.time_start
            and members.time_end = activity.time_end
        left join
            ever
            on members.district_id = ever.district_id
            and members.course_id = ever.course_id
            and members.user_id = ever.user_id
        left join
            last_accesses
            on members.district_id = last_accesses.district_id
            and members.course_id = last_accesses.course_id
            and members.user_id = last_accesses.user_id
        left join
            potentials
            on members.district_id = potentials.district_id
            and members.course_id = potentials.course_id
        left join
            role_holders
            on members.district_id = role_holders.district_id
            and members.course_id = role_holders.course_id
        left join
            asked
            on members.district_id = asked.district_id
            and members.user_id = asked.user_id
            and members.time_start = asked.time_start
            and members.time_end = asked.time_end
        left join
            due_events
            on members.district_id = due_events.district_id
            and members.user_id = due_events.user_id
            and members.time_start = due_events.time_start
            and members.time_end = due_events.time_end
        left join
            users
            on members.district_id = users.district_id
            and members.user_id = users.userid
    ),

    {%- set binary = {
        "any_access_before_start": "is_in_course and has_user and starts_at > 0, first_at < starts_at",
        "any_access_after_end": "is_in_course and has_user and ends_at > 0, last_at > ends_at",
        "any_write_action_in_course": "is_in_course, write_count > 0",
        "any_write_action": "is_in_course, course_write_count > 0",
        "any_course_access": "is_in_course and has_user, case when accessed_at = 0 or accessed_at < time_start then false when accessed_at < time_end then true else row_count > 0 end",
        "completion_enabled": "is_in_course, has_completion",
        "no_teacher": "is_in_course, has_teacher = 1",
        "no_student": "is_in_course, has_student = 1",
        "activities_due": "is_asked_what_is_due, event_count > 0",
        "user_track_forums": "is_known, trackforums > 0",
    } %}

    course_values as (
        {% for name, rule in binary.items() -%}
            {%- set condition, is_so = rule.split(", ", 1) -%}
            select
                district_id,
                course_id,
                user_id,
                time_start,
                time_end,
                '{{ name }}' as indicator,
                cast(
                    case when {{ is_so }} then 1 else -1 end as decimal(5, 2)
                ) as value,
            from facts
            where {{ condition }}
            union all
        {% endfor -%}
        select
            district_id,
            course_id,
            user_id,
            time_start,
            time_end,
            'read_actions' as indicator,
            cast(
                case
                    when read_count = 0
                    then -1
                    when read_count * 604800 <= 3 * (time_end - time_start)
                    then -0.33
                    when read_count * 604800 <= 30 * (time_end - time_start)
                    then 0.33
                    else 1
                end as decimal(5, 2)
            ) as value,
        from facts
        where is_in_course and time_start > 0
        union all
        select
            district_id,
            course_id,
            user_id,
            time_start,
            time_end,
            'potential_cognitive_depth' as indicator,
            cast(
                coalesce((cognitive_potential - 3) * 0.5, -1) as decimal(5, 2)
            ) as value,
        from facts
        where is_in_course
        union all
        select
            district_id,
            course_id,
            user_id,
            time_start,
            time_end,
            'potential_social_breadth' as indicator,
            cast(
                case when social_potential >= 2 then 1 else -1 end as decimal(5, 2)
            ) as value,
        from facts
        where is_in_course
        union all
        select
            district_id,
            course_id,
            user_id,
            time_start,
            time_end,
            'user_profile_set' as indicator,
            cast(
                case
                    when coalesce(confirmed, 1) = 0
                    then -1
                    else
                        least(
                            -1 + has_description + has_picture + filled_fields * 0.2, 1
                        )
                end as decimal(5, 2)
            ) as value,
        from facts
        where is_known
    ),

    module_values as (
        {% for kind in ["cognitive", "social"] -%}
            select
                district_id,
                course_id,
                user_id,
                time_start,
                time_end,
                module
                || '_{{ "cognitive_depth" if kind == "cognitive" else "social_breadth" }}'
                as indicator,
                {{
                    to_cents(
                        "(2 * " ~ kind ~ "_sixtieths - 60 * activity_count)",
                        "(60 * activity_count)",
                    )
                }} as value,
            from modules {{ "union all" if not loop.last }}
        {% endfor %}
    )

select *
from course_values
where value is not null
union all
select *
from module_values
