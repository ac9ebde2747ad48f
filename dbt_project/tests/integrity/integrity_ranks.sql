-- What is this? Rankings with a gap, a tie or more than top_n places: the last rank is
-- not the number of rows, or is above top_n.
-- When does it matter? A report that shows places 1 to 5 then shows fewer, or two
-- firsts.
-- How to resolve? The order (minutes, sessions, app_id) has to be total in the model.
with
    districts as (select district_id, top_n from {{ ref("int_districts") }}),

    lists as (
        select
            district_id,
            student_id || ' ' || basis as list,
            count(*) as row_count,
            max(rank) as last_rank,
            min(rank) as first_rank,
            count(distinct rank) as rank_count,
        from {{ ref("rpt_most_used_by_student") }}
        group by district_id, student_id || ' ' || basis
        union all
        select
            district_id,
            scope
            || coalesce(' ' || type, '')
            || coalesce(' ' || performance, '') as list,
            count(*) as row_count,
            max(rank) as last_rank,
            min(rank) as first_rank,
            count(distinct rank) as rank_count,
        from {{ ref("rpt_most_used_by_district") }}
        group by district_id, scope, type, performance
    )

select lists.district_id, lists.list, lists.row_count, lists.last_rank,
from lists
left join districts on lists.district_id = districts.district_id
where
    lists.first_rank <> 1
    or lists.last_rank <> lists.row_count
    or lists.rank_count <> lists.row_count
    or lists.last_rank > districts.top_n
    or districts.top_n is null
