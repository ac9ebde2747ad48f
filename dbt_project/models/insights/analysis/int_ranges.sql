-- one row per analysis, analysable and range of time to be looked at: all ranges of
-- finished courses for training, the last one that is ready for prediction
with
    analyses as (select * from {{ ref("int_analyses") }}),
    sites as (select * from {{ ref("int_analytics_sites") }}),
    courses as (select * from {{ ref("int_moodle_courses") }}),

    enrolments as (
        select district_id, course_id, count(*) as student_count,
        from {{ ref("int_moodle_enrolments") }}
        group by district_id, course_id
    ),

    -- rows of a course's students while it ran: what course_dropout is learned from
    activity as (
        select courses.district_id, courses.course_id, count(*) as row_count,
        from {{ ref("int_moodle_log") }} as log
        inner join
            sites
            on log.district_id = sites.district_id
            and log.logstore = sites.logstore
            and log.happened_at <= sites.now_at
        inner join
            courses
            on log.district_id = courses.district_id
            and log.course_id = courses.course_id
            and log.happened_at > courses.starts_at
            and log.happened_at < courses.ends_at
            and courses.is_finished
        inner join
            {{ ref("int_moodle_enrolments") }} as enrolments
            on log.district_id = enrolments.district_id
            and log.course_id = enrolments.course_id
            and log.user_id = enrolments.user_id
        where
            not log.is_anonymous
            and exists (
                select 1
                from analyses
                where
                    analyses.district_id = log.district_id
                    and analyses.target = 'course_dropout'
                    and analyses.purpose <> 'predict'
            )
        group by courses.district_id, courses.course_id
    ),

    first_analyses as (
        select
            district_id, model_id, analysable_id, min(analysed_at) as first_analysed_at,
        from {{ ref("int_used_samples") }}
        where purpose = 'predict'
        group by district_id, model_id, analysable_id
    ),

    course_analysables as (
        select
            analyses.*,
            cast(courses.course_id as varchar) as analysable_id,
            courses.course_id,
            courses.starts_at,
            courses.ends_at,
            courses.now_at,
        from analyses
        inner join courses on analyses.district_id = courses.district_id
        left join
            enrolments
            on courses.district_id = enrolments.district_id
            and courses.course_id = enrolments.course_id
        left join
            activity
            on courses.district_id = activity.district_id
            and courses.course_id = activity.course_id
        where
            analyses.analyser = 'enrolments'
            and courses.is_started
            and coalesce(enrolments.student_count, 0) > 0
            and (
                analyses.contexts = ''
                or exists (
                    select 1
                    from {{ ref("int_course_parents") }} as parents
                    where
                        parents.district_id = courses.district_id
                        and parents.course_id = courses.course_id
                        and ' ' || analyses.contexts || ' '
                        like '% ' || parents.context_id || ' %'
                )
            )
            and case
                when analyses.is_static
                then
                    courses.is_visible
                    and not courses.is_finished
                    and (courses.ends_at = 0 or courses.ends_at >= courses.starts_at)
                else
                    courses.has_sections
                    and courses.ends_at >= courses.starts_at
                    -- a year and four weeks
                    and courses.ends_at - courses.starts_at <= (365 + 28) * 86400
                    and case
                        when analyses.purpose = 'predict'
                        then not courses.is_finished and courses.is_visible
                        else courses.is_finished
                    end
                    and case
                        analyses.target
                        when 'course_dropout'
                        then
                            analyses.purpose = 'predict'
                            or coalesce(activity.row_count, 0)
                            >= 10 * enrolments.student_count
                        when 'course_completion'
                        then
                            courses.is_completion_enabled
                            and courses.has_completion_criteria
                        when 'course_competencies'
                        then courses.competency_count > 0
                        when 'course_gradetopass'
                        then coalesce(courses.gradepass, 0) <> 0
                    end
            end
    ),

    site_analysables as (
        select
            analyses.*,
            'site' as analysable_id,
            cast(null as bigint) as course_id,
            sites.site_starts_at as starts_at,
            sites.now_at as ends_at,
            sites.now_at,
        from analyses
        inner join sites on analyses.district_id = sites.district_id
        where analyses.analyser = 'courses'
    ),

    guests as (select district_id, user_id from {{ ref("int_guests") }}),

    user_analysables as (
        select
            analyses.*,
            users.userid as analysable_id,
            cast(null as bigint) as course_id,
            coalesce(users.timecreated, 0) as starts_at,
            cast(0 as bigint) as ends_at,
            sites.now_at,
        from analyses
        inner join sites on analyses.district_id = sites.district_id
        inner join
            {{ moodle("user") }} as users on sites.district_id = users.district_id
        left join
            guests
            on users.district_id = guests.district_id
            and users.userid = guests.user_id
        where
            analyses.analyser = 'users'
            and coalesce(users.confirmed, 1) = 1
            and coalesce(users.deleted, 0) = 0
            and coalesce(users.suspended, 0) = 0
            and guests.user_id is null
            and ',' || sites.admin_ids || ',' not like '%,' || users.userid || ',%'
    ),

    analysables as (
        select *
        from course_analysables
        union all
        select *
        from site_analysables
        union all
        select *
        from user_analysables
    ),

    started as (
        select
            analysables.*,
            analysables.purpose <> 'predict' as is_training,
            coalesce(
                first_analyses.first_analysed_at, analysables.now_at
            ) as first_analysed_at,
        from analysables
        left join
            first_analyses
            on analysables.district_id = first_analyses.district_id
            and analysables.model_id = first_analyses.model_id
            and analysables.analysable_id = first_analyses.analysable_id
    ),

    ranges as ({{ interval_ranges("started") }}),

    ready as (
        select
            *,
            row_number() over (
                partition by
                    district_id, model_id, purpose, analysis_interval, analysable_id
                order by range_index desc
            ) as latest_first,
        from ranges
        where ready_at <= now_at
    )

select
    district_id,
    model_id,
    purpose,
    analysis_interval,
    target,
    analyser,
    is_static,
    indicators,
    analysable_id,
    course_id,
    starts_at,
    ends_at,
    now_at,
    range_index,
    time_start,
    time_end,
from ready
where
    case
        when purpose = 'predict'
        then latest_first = 1
        -- periods may end after now
        when kind in ('past', 'upcoming')
        then time_end <= now_at
        else true
    end
