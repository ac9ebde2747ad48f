{#- Tables that are counted from days of use and kept up by what a night changed. Versions
    carry the number of the merge that wrote them, and what a merge replaced is logged with
    both numbers. A reader's mark holds the last merge that it has counted in a district,
    and the as_of it counted with. It is moved in the reader's own transaction: a change is
    counted once, whatever is killed. docs/adr/0007 -#}
{#- A pre-hook of a reader: a district whose counts are void loses its mark, and without a
    mark its rows: it is counted anew from its days. is_void is SQL on marks and districts;
    an as_of that was set back always voids. -#}
{% macro begin_counting(is_void="false") -%}
    {{ return(adapter.dispatch("begin_counting", "trackline")(is_void)) }}
{%- endmacro %}

{% macro duckdb__begin_counting(is_void) -%}
    {%- set marks = ref("int_usage_marks") -%}
    {%- set reader = this.identifier -%}
    {%- if is_incremental() -%}
    delete from {{ marks }}
    where
        reader = '{{ reader }}'
        and district_id in (
            select marks.district_id,
            from {{ marks }} as marks
            left join
                {{ ref("int_districts") }} as districts
                on marks.district_id = districts.district_id
            where
                marks.reader = '{{ reader }}'
                and (marks.as_of > districts.as_of or {{ is_void }})
        )
    ;
    delete from {{ this.include(database=false) }}
    where
        district_id not in (select district_id from {{ marks }} where reader = '{{ reader }}')
    {%- else -%} delete from {{ marks }} where reader = '{{ reader }}'
    {%- endif -%}
{%- endmacro %}

{#- A post-hook of a reader: it has counted all of a table's merges in the districts that a
    condition names. -#}
{% macro end_counting(source="int_usage_versions", districts="true") -%}
    {{ return(adapter.dispatch("end_counting", "trackline")(source, districts)) }}
{%- endmacro %}

{% macro duckdb__end_counting(source, districts) -%}
    {%- set marks = ref("int_usage_marks") -%}
    {%- set reader = this.identifier -%}
    delete from {{ marks }}
    where
        reader = '{{ reader }}'
        and district_id in (select district_id from {{ ref("int_districts") }} where {{ districts }})
    ;
    insert into {{ marks }} by name
    select
        '{{ reader }}' as reader,
        district_id,
        coalesce((select max(merged_in) from {{ ref(source) }}), 0) as counted_to,
        as_of,
        school_year_starts_on,
        time_zone,
    from {{ ref("int_districts") }}
    where {{ districts }}
{%- endmacro %}

{#- the districts that a reader has still to count from their days -#}
{% macro uncounted_districts() -%}
    select districts.*
    from {{ ref("int_districts") }} as districts
    left join
        {{ ref("int_usage_marks") }} as marks
        on districts.district_id = marks.district_id
        and marks.reader = '{{ this.identifier }}'
    where marks.district_id is null
{%- endmacro %}

{#- What a reader has to add to (sign 1) and to take from (sign -1) the counts of the
    districts it has counted before. Days that nobody has withdrawn only. Apart, so that
    each join hands the engine a bound: it skips what older merges wrote. -#}
{% macro usage_changes() -%}
    {{ added_usage() }}
    union all
    {{ removed_usage() }}
{%- endmacro %}

{% macro added_usage() -%}
    select {{ counted_columns("versions") }}, 1 as sign,
    from {{ ref("int_usage_versions") }} as versions
    inner join
        ({{ counted_districts() }}) as districts
        on versions.district_id = districts.district_id
        and versions.merged_in > districts.counted_to
        and versions.usage_date <= districts.as_of
    where not versions.is_deleted
    union all
    -- days that had waited for as_of
    select {{ counted_columns("versions") }}, 1 as sign,
    from {{ ref("int_usage_versions") }} as versions
    inner join
        ({{ counted_districts() }}) as districts
        on versions.district_id = districts.district_id
        and versions.merged_in <= districts.counted_to
        and versions.usage_date > districts.counted_as_of
        and versions.usage_date <= districts.as_of
    where not versions.is_deleted
{%- endmacro %}

{% macro removed_usage() -%}
    select {{ counted_columns("superseded") }}, -1 as sign,
    from {{ ref("int_superseded_usage") }} as superseded
    inner join
        ({{ counted_districts() }}) as districts
        on superseded.district_id = districts.district_id
        and superseded.merged_in > districts.counted_to
        and superseded.was_merged_in <= districts.counted_to
        and superseded.usage_date <= districts.counted_as_of
    where not superseded.is_deleted
{%- endmacro %}

{% macro counted_districts() -%}
    select
        districts.district_id,
        districts.as_of,
        districts.school_year_month,
        districts.school_year_day,
        marks.counted_to,
        marks.as_of as counted_as_of,
    from {{ ref("int_districts") }} as districts
    inner join
        {{ ref("int_usage_marks") }} as marks
        on districts.district_id = marks.district_id
        and marks.reader = '{{ this.identifier }}'
{%- endmacro %}

{% macro counted_columns(relation) -%}
    {{ relation }}.district_id,
    {{ relation }}.student_id,
    {{ relation }}.app_id,
    {{ relation }}.usage_date,
    {{ relation }}.usage_minutes,
    {{ relation }}.session_count,
    {{ relation }}.usage_minutes > 0 or {{ relation }}.session_count > 0 as is_used,
    {{ school_year_start(
        relation ~ ".usage_date", "districts.school_year_month", "districts.school_year_day"
    ) }} as school_year_starts_on
{%- endmacro %}

{#- A pre-hook of a state whose rows are counted: what every reader has counted leaves the
    log, and the counts of a state that is made anew are void. -#}
{% macro forget_counted(superseded, readers) -%}
    {{ return(adapter.dispatch("forget_counted", "trackline")(superseded, readers)) }}
{%- endmacro %}

{% macro duckdb__forget_counted(superseded, readers) -%}
    {%- set marks = ref("int_usage_marks") -%}
    {%- set names = "('" ~ readers | join("', '") ~ "')" -%}
    {% if not is_incremental() -%}
    delete from {{ marks }} where reader in {{ names }}
    ;
    {%- endif %}
    delete from {{ ref(superseded) }} as superseded
    where
        not exists (
            select 1
            from {{ marks }} as marks
            where
                marks.reader in {{ names }}
                and marks.district_id = superseded.district_id
                and marks.counted_to < superseded.merged_in
        )
{%- endmacro %}

{% macro usage_readers() -%}
    {{- return(["int_usage_totals", "int_recent_usage", "int_app_weeks", "int_outcome_usage"]) -}}
{%- endmacro %}

{#- The number of this merge. Marks count too: the rows of the last merge may all have been
    a student's who was forgotten, and no number is given twice. -#}
{% macro merge_number() -%}
    cast(
        1 + greatest(
            0,
            {%- if is_incremental() %}
            coalesce((select max(merged_in) from {{ this }}), 0),
            {%- endif %}
            coalesce((select max(counted_to) from {{ ref("int_usage_marks") }}), 0)
        ) as bigint
    )
{%- endmacro %}

{#- A pre-hook of int_usage_totals: the totals that lost a day of use, which may have been
    their first or last: their days are looked at again. A table, for its size is what keeps
    the fact on the probing side of the join: 15 of 18 CPU seconds at 24M rows. -#}
{% macro note_open_totals() -%}
    {%- if is_incremental() -%}
    create or replace temp table open_totals as
    with
        removed as ({{ removed_usage() }}),
        added as ({{ added_usage() }})

    select removed.district_id, removed.student_id, removed.app_id, removed.school_year_starts_on,
    from removed
    left join
        added
        on removed.district_id = added.district_id
        and removed.student_id = added.student_id
        and removed.app_id = added.app_id
        and removed.usage_date = added.usage_date
        and added.is_used
    where removed.is_used and added.district_id is null
    group by
        removed.district_id,
        removed.student_id,
        removed.app_id,
        removed.school_year_starts_on
    {%- else -%}
    select 1
    {%- endif -%}
{%- endmacro %}

{#- A pre-hook of int_app_weeks: the student weeks that a night changed. A table, as above: the
    engine takes it for larger than the year otherwise, and keeps the year in memory: 4 GB at
    100M rows. -#}
{% macro note_touched_weeks() -%}
    {%- if is_incremental() -%}
    {%- set week_starts_on = week_start("changes.usage_date") -%}
    create or replace temp table touched_weeks as
    select
        changes.district_id,
        changes.student_id,
        changes.app_id,
        {{ week_starts_on }} as week_starts_on,
        cast({{ dbt.dateadd("day", 6, week_starts_on) }} as date) as week_ends_on,
        districts.school_year_starts_on,
        districts.as_of,
        sum(changes.sign * changes.usage_minutes) as more_minutes,
        sum(case when changes.is_used then changes.sign else 0 end) as more_days,
    from ({{ usage_changes() }}) as changes
    inner join
        {{ ref("int_districts") }} as districts
        on changes.district_id = districts.district_id
        and changes.usage_date >= districts.school_year_starts_on
    where districts.is_enabled
    group by
        changes.district_id,
        changes.student_id,
        changes.app_id,
        {{ week_starts_on }},
        districts.school_year_starts_on,
        districts.as_of
    {%- else -%}
    select 1
    {%- endif -%}
{%- endmacro %}

{#- Counts of the current school year alone are void with its beginning, too. -#}
{% macro is_void_year() -%}
    not coalesce(districts.is_enabled, false)
    or marks.school_year_starts_on <> districts.school_year_starts_on
{%- endmacro %}

{#- Totals are of every school year; years by another beginning are others. -#}
{% macro is_void_total() -%}
    month(marks.school_year_starts_on) <> districts.school_year_month
    or day(marks.school_year_starts_on) <> districts.school_year_day
{%- endmacro %}

{#- A goal that changed makes other weeks of all the weeks that were counted with it. -#}
{% macro is_void_week() -%}
    {{ is_void_year() }}
    or exists (
        select 1
        from {{ this }} as weeks
        left join
            {{ ref("int_district_apps") }} as apps
            on weeks.district_id = apps.district_id
            and weeks.app_id = apps.app_id
        where
            weeks.district_id = marks.district_id
            and weeks.weekly_minutes_goal is distinct from apps.weekly_minutes_goal
    )
{%- endmacro %}

{#- A pre-hook of int_recent_usage: of the districts that go on, the students whose window may
    hold other days than before: those with a change since it began. One who has nothing left
    leaves. -#}
{% macro forget_stale_windows() -%}
    {%- if is_incremental() -%}
    create or replace temp table stale_windows as
    select changes.district_id, changes.student_id,
    from ({{ usage_changes() }}) as changes
    left join
        (
            select district_id, student_id, max(last_used_on) as last_used_on,
            from {{ ref("int_usage_totals") }}
            group by district_id, student_id
        ) as students
        on changes.district_id = students.district_id
        and changes.student_id = students.student_id
    where
        students.last_used_on is null
        or changes.usage_date
        >= cast({{ dbt.dateadd("day", -27, "students.last_used_on") }} as date)
    group by changes.district_id, changes.student_id;
        delete from {{ this.include(database=false) }} as windows
        using stale_windows as stale
        where
            windows.district_id = stale.district_id
            and windows.student_id = stale.student_id
    {%- else -%} select 1
    {%- endif -%}
{%- endmacro %}

{#- A pre-hook of int_outcome_usage: the students whose two scores are others than before, or
    between whose scores a day has changed. -#}
{% macro forget_stale_outcomes() -%}
    {%- if is_incremental() -%}
    {%- set kept = this.include(database=false) -%}
    delete from {{ kept }} as kept
    where
        not exists (
            select 1
            from {{ ref("int_outcomes") }} as outcomes
            where
                outcomes.district_id = kept.district_id
                and outcomes.student_id = kept.student_id
                and outcomes.prior_on = kept.prior_on
                and outcomes.later_on = kept.later_on
        )
    ;
    -- all of the student's rows: the application that changed may be a new one
    delete from {{ kept }} as kept
    using ({{ usage_changes() }}) as changes
    where
        kept.district_id = changes.district_id
        and kept.student_id = changes.student_id
        and changes.usage_date > kept.prior_on
        and changes.usage_date < kept.later_on
    {%- else -%} select 1
    {%- endif -%}
{%- endmacro %}
