-- one row per model, sample and range whose class is known: of finished courses by what
-- became of the student, of static models by what the indicators say. 1 is what the
-- target warns of
with
    samples as (select * from {{ ref("int_samples") }}),
    courses as (select * from {{ ref("int_moodle_courses") }}),
    sites as (select * from {{ ref("int_analytics_sites") }}),
    base_values as (select * from {{ ref("int_base_values") }}),

    completions as (
        select
            district_id,
            course as course_id,
            userid as user_id,
            max(timecompleted) as completed_at,
        from {{ moodle("course_completions") }}
        where timecompleted > 0
        group by district_id, course, userid
    ),

    last_rows as (
        select
            log.district_id,
            log.course_id,
            log.user_id,
            max(log.happened_at) as last_at,
        from {{ ref("int_moodle_log") }} as log
        inner join
            sites
            on log.district_id = sites.district_id
            and log.logstore = sites.logstore
            and log.happened_at <= sites.now_at
        inner join
            (
                select distinct district_id, course_id
                from samples
                where target = 'course_dropout' and purpose <> 'predict'
            ) as learned
            on log.district_id = learned.district_id
            and log.course_id = learned.course_id
        where log.user_id is not null
        group by log.district_id, log.course_id, log.user_id
    ),

    proficiencies as (
        select
            achieved.district_id,
            achieved.courseid as course_id,
            achieved.userid as user_id,
            count(*) as proficient_count,
        from {{ moodle("competency_usercompcourse") }} as achieved
        inner join
            {{ moodle("competency_coursecomp") }} as wanted
            on achieved.district_id = wanted.district_id
            and achieved.courseid = wanted.courseid
            and achieved.competencyid = wanted.competencyid
        where achieved.proficiency = 1
        group by achieved.district_id, achieved.courseid, achieved.userid
    ),

    final_grades as (
        select
            grades.district_id,
            grades.itemid,
            grades.userid as user_id,
            max(grades.finalgrade) as finalgrade,
        from {{ moodle("grade_grades") }} as grades
        inner join
            sites
            on grades.district_id = sites.district_id
            and coalesce(nullif(grades.timemodified, 0), grades.timecreated, 0)
            <= sites.now_at
        group by grades.district_id, grades.itemid, grades.userid
    ),

    learned as (
        select
            samples.*,
            case
                when
                    samples.target = 'course_completion'
                    or (
                        samples.target = 'course_dropout'
                        and courses.is_completion_enabled
                        and courses.has_completion_criteria
                    )
                then completions.completed_at is null
                when samples.target = 'course_dropout'
                then
                    -- no row in the last quarter or later
                    coalesce(last_rows.last_at, 0) * 4
                    <= 4 * courses.ends_at - (courses.ends_at - courses.starts_at)
                when samples.target = 'course_competencies'
                then
                    coalesce(proficiencies.proficient_count, 0)
                    <> courses.competency_count
                when samples.target = 'course_gradetopass'
                then coalesce(final_grades.finalgrade, 0) < courses.gradepass
            end as is_so,
        from samples
        inner join
            courses
            on samples.district_id = courses.district_id
            and samples.course_id = courses.course_id
        left join
            completions
            on samples.district_id = completions.district_id
            and samples.course_id = completions.course_id
            and samples.user_id = completions.user_id
            and completions.completed_at <= courses.now_at
        left join
            last_rows
            on samples.district_id = last_rows.district_id
            and samples.course_id = last_rows.course_id
            and samples.user_id = last_rows.user_id
        left join
            proficiencies
            on samples.district_id = proficiencies.district_id
            and samples.course_id = proficiencies.course_id
            and samples.user_id = proficiencies.user_id
        left join
            final_grades
            on courses.district_id = final_grades.district_id
            and courses.grade_item_id = final_grades.itemid
            and samples.user_id = final_grades.user_id
        where not samples.is_static and samples.purpose <> 'predict'
    ),

    deciding as (
        {% for target, indicators, value in [
            ("no_teaching", ["no_teacher", "no_student"], -1),
            ("no_recent_accesses", ["any_course_access"], -1),
            ("no_access_since_course_start", ["any_course_access"], -1),
            ("upcoming_activities_due", ["activities_due"], 1),
        ] -%}
            {% for indicator in indicators -%}
                select
                    '{{ target }}' as target,
                    '{{ indicator }}' as indicator,
                    {{ value }} as bad_value
                union all
            {% endfor %}
        {%- endfor %}
        select '' as target, '' as indicator, 0 as bad_value
    ),

    static_values as (
        select
            samples.district_id,
            samples.model_id,
            samples.purpose,
            samples.analysis_interval,
            samples.analysable_id,
            samples.sample_id,
            samples.range_index,
            max(
                case when base_values.value = deciding.bad_value then 1 else 0 end
            ) as value,
        from samples
        inner join deciding on samples.target = deciding.target
        inner join
            base_values
            on samples.district_id = base_values.district_id
            and coalesce(samples.course_id, 0) = base_values.course_id
            and coalesce(samples.user_id, '') = base_values.user_id
            and samples.time_start = base_values.time_start
            and samples.time_end = base_values.time_end
            and deciding.indicator = base_values.indicator
        where samples.is_static
        group by
            samples.district_id,
            samples.model_id,
            samples.purpose,
            samples.analysis_interval,
            samples.analysable_id,
            samples.sample_id,
            samples.range_index
    )

select
    district_id,
    model_id,
    purpose,
    analysis_interval,
    analysable_id,
    sample_id,
    range_index,
    case when is_so then 1 else 0 end as value,
from learned
where is_so is not null
union all
select
    district_id,
    model_id,
    purpose,
    analysis_interval,
    analysable_id,
    sample_id,
    range_index,
    value,
from static_values
