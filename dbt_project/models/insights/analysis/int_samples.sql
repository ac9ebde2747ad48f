-- one row per analysis, range and sample: enrolments, courses or users for which
-- something is to be learned or predicted, and that have not been used for it before
with
    ranges as (select * from {{ ref("int_ranges") }}),
    enrolments as (select * from {{ ref("int_moodle_enrolments") }}),
    courses as (select * from {{ ref("int_moodle_courses") }}),
    sites as (select * from {{ ref("int_analytics_sites") }}),
    used as (select * from {{ ref("int_used_samples") }}),

    user_contexts as (
        select district_id, instanceid as user_id, min(id) as context_id,
        from {{ moodle("context") }}
        where contextlevel = 30
        group by district_id, instanceid
    ),

    enrolment_samples as (
        select
            ranges.*,
            cast(enrolments.enrolment_id as varchar) as sample_id,
            enrolments.user_id,
            courses.context_id,
        from ranges
        inner join
            enrolments
            on ranges.district_id = enrolments.district_id
            and ranges.course_id = enrolments.course_id
        inner join
            courses
            on ranges.district_id = courses.district_id
            and ranges.course_id = courses.course_id
        where
            ranges.analyser = 'enrolments'
            and case
                when ranges.is_static
                then
                    -- enrolled during the range, and for most of it
                    enrolments.begins_at <= ranges.time_end
                    and coalesce(enrolments.ends_at, ranges.time_end)
                    >= ranges.time_start
                    and (
                        least(
                            coalesce(enrolments.ends_at, ranges.time_end),
                            ranges.time_end
                        )
                        - greatest(enrolments.begins_at, ranges.time_start)
                    )
                    * 10
                    >= (ranges.time_end - ranges.time_start) * 7
                else true
            end
            and (enrolments.ends_at is null or enrolments.ends_at >= ranges.starts_at)
            and enrolments.begins_at >= ranges.starts_at - 393 * 86400
            and (ranges.ends_at = 0 or enrolments.begins_at <= ranges.ends_at)
            and enrolments.starts_at <= ranges.now_at
            and (
                ranges.purpose <> 'predict'
                or enrolments.ends_at is null
                or enrolments.ends_at >= ranges.now_at
            )
    ),

    course_samples as (
        select
            ranges.* {{ except_columns(["course_id"]) }},
            courses.course_id,
            cast(courses.course_id as varchar) as sample_id,
            cast(null as varchar) as user_id,
            sites.system_context_id as context_id,
        from ranges
        inner join courses on ranges.district_id = courses.district_id
        inner join sites on ranges.district_id = sites.district_id
        where
            ranges.analyser = 'courses'
            and courses.starts_at > 0
            and (courses.ends_at = 0 or courses.ends_at >= courses.now_at)
            and courses.starts_at
            between courses.now_at - 7 * 86400 and courses.now_at + 7 * 86400
    ),

    user_samples as (
        select
            ranges.*,
            ranges.analysable_id as sample_id,
            ranges.analysable_id as user_id,
            user_contexts.context_id,
        from ranges
        left join
            user_contexts
            on ranges.district_id = user_contexts.district_id
            and ranges.analysable_id = user_contexts.user_id
        where ranges.analyser = 'users'
    ),

    samples as (
        {% set columns -%}
            district_id, model_id, purpose, analysis_interval, target, is_static, indicators,
            analysable_id, range_index, starts_at, ends_at, now_at, time_start, time_end, sample_id,
            course_id, user_id, context_id
        {%- endset -%}
        select {{ columns }},
        from enrolment_samples
        union all
        select {{ columns }},
        from course_samples
        union all
        select {{ columns }},
        from user_samples
    )

select samples.*
from samples
where
    not exists (
        select 1
        from used
        where
            used.district_id = samples.district_id
            and used.model_id = samples.model_id
            and used.analysis_interval = samples.analysis_interval
            and used.analysable_id = samples.analysable_id
            and used.sample_id = samples.sample_id
            and samples.purpose <> 'evaluate'
            and case
                when used.purpose = 'train'
                then not samples.is_static
                else
                    samples.purpose = 'predict'
                    and used.range_index = samples.range_index
            end
    )
