-- one row per grade of a site whose grades were delivered this night: a module's grade
-- is an assessment on its component, a course total an average
{{ config(**only_this_night()) }}
with
    delivered as (
        select district_id, max(modified_at) as file_modified_at,
        from {{ ref("stg_landing__files") }}
        where
            table_name in ('moodle/grade_items', 'moodle/grade_grades')
            and status = 'new'
        group by district_id
    ),

    -- what is not told is Moodle's default, a time of 0 is none
    items as (
        select
            district_id,
            id,
            itemtype,
            itemmodule,
            coalesce(grademin, 0) as grademin,
            coalesce(grademax, 100) as grademax,
        from {{ moodle("grade_items") }}
        where
            -- values and scales; the others carry no number
            coalesce(gradetype, 1) in (1, 2) and itemtype in ('mod', 'course')
    ),

    timed as (
        select
            district_id,
            itemid,
            userid,
            finalgrade,
            coalesce(nullif(timemodified, 0), timecreated) as graded_at,
        from {{ moodle("grade_grades") }}
    ),

    grades as (
        select
            grades.district_id,
            grades.userid as student_id,
            items.itemtype,
            items.itemmodule,
            items.id as item_id,
            -- a grade above the maximum, by extra credit, is the maximum
            least(greatest(grades.finalgrade, items.grademin), items.grademax)
            - items.grademin as score,
            items.grademax - items.grademin as max_score,
            grades.graded_at,
            delivered.file_modified_at,
        from timed as grades
        inner join
            items on grades.district_id = items.district_id and grades.itemid = items.id
        inner join delivered on grades.district_id = delivered.district_id
        where
            grades.userid is not null
            and grades.finalgrade is not null
            and grades.graded_at > 0
            and items.grademax > items.grademin
    ),

    districts as (select district_id, time_zone from {{ ref("int_districts") }})

select
    grades.district_id,
    grades.student_id,
    case when grades.itemtype = 'mod' then 'assessment' else 'average' end as measure,
    'all' as subject,
    case
        when grades.itemtype = 'mod' then 'mod_' || grades.itemmodule else ''
    end as app_id,
    cast(grades.item_id as varchar) as assessment_id,
    {{ local_date(timestamp_of("grades.graded_at"), "districts.time_zone") }}
    as measured_on,
    {{
        divide(
            "cast(grades.score * 100 as decimal(26, 12))",
            "cast(grades.max_score as decimal(24, 12))",
            scale=12,
            places=12,
        )
    }} as score,
    {{ timestamp_of("grades.graded_at") }} as updated_at,
    grades.file_modified_at,
from grades
inner join districts on grades.district_id = districts.district_id
