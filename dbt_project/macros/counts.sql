{#- Tables that are counted from days of use and kept up by what a night changed. Each reads
    a queue of its own, which the merge fills in its transaction and the reader empties in
    its own: a change is counted once, whatever is killed. -#}
{#- A pre-hook. Districts whose rows are void (is_void, SQL on counts and districts) are
    forgotten; a district without rows is counted from its days, so its queue holds nothing
    but the days after as_of, which wait there. -#}
{% macro prepare_counts(changes, is_void) -%}
    {%- set queue = ref(changes) -%}
    {%- set counts = this.include(database=false) -%}
    {%- set names = queue_columns(queue)["now"] -%}
    {% if is_incremental() -%}
        delete from {{ counts }}
        where
            district_id in (
                select counts.district_id,
                from {{ counts }} as counts
                left join
                    {{ ref("int_districts") }} as districts
                    on counts.district_id = districts.district_id
                where {{ is_void }}
            )
        ;
    {%- endif %}
    create or replace temp table uncounted_districts as
    select district_id, as_of,
    from {{ ref("int_districts") }}
    {%- if is_incremental() %}
    where district_id not in (select district_id from {{ counts }})
    {%- endif %}
    ;
    delete from {{ queue }}
    where district_id in (select district_id from uncounted_districts)
    ;
    insert into {{ queue }} by name
    select versions.{{ names | join(", versions.") }},
    from {{ ref("int_usage_versions") }} as versions
    inner join uncounted_districts as districts
        on versions.district_id = districts.district_id
    where versions.usage_date > districts.as_of and not versions.is_deleted;
    drop table uncounted_districts
{%- endmacro %}

{#- A post-hook: what was counted leaves the queue. -#}
{% macro forget_counted_changes(changes) -%}
    delete from {{ ref(changes) }} as changes
    using {{ ref("int_districts") }} as districts
    where
        changes.district_id = districts.district_id
        and changes.usage_date <= districts.as_of
{%- endmacro %}

{#- Days after as_of were counted (it was set back), or years by another beginning. -#}
{% macro is_void_total() -%}
    counts.last_used_on > districts.as_of
    or month(counts.school_year_starts_on) <> districts.school_year_month
    or day(counts.school_year_starts_on) <> districts.school_year_day
{%- endmacro %}

{#- A pre-hook of int_usage_totals: the totals whose first or last day of use is none any
    more, so that their days are looked at again; those too for which a day was used and
    withdrawn while it waited for as_of or for a build that was not killed. A table, for its size is what keeps the
    fact on the probing side of the join: 15 of 18 CPU seconds at 24M rows. -#}
{% macro note_open_totals() -%}
    {%- if is_incremental() -%}
    create or replace temp table open_totals as
    select distinct
        changes.district_id,
        changes.student_id,
        changes.app_id,
        {{ school_year_start(
            "changes.usage_date",
            "districts.school_year_month",
            "districts.school_year_day",
        ) }} as school_year_starts_on,
    from {{ ref("int_usage_changes") }} as changes
    inner join {{ ref("int_districts") }} as districts
        on changes.district_id = districts.district_id
        and changes.usage_date <= districts.as_of
    left join {{ this.include(database=false) }} as totals
        on changes.district_id = totals.district_id
        and changes.student_id = totals.student_id
        and changes.app_id = totals.app_id
        and changes.usage_date in (totals.first_used_on, totals.last_used_on)
    left join {{ ref("int_usage_changes") }} as uses
        on changes.district_id = uses.district_id
        and changes.student_id = uses.student_id
        and changes.app_id = uses.app_id
        and changes.usage_date = uses.usage_date
        and not uses.is_deleted
        and (uses.usage_minutes > 0 or uses.session_count > 0)
    where
        (changes.is_deleted or (changes.usage_minutes = 0 and changes.session_count = 0))
        and (totals.district_id is not null or uses.district_id is not null)
    {%- else -%}
    select 1
    {%- endif -%}
{%- endmacro %}

{#- The same for counts of the current school year alone. -#}
{% macro is_void_count(last_date) -%}
    not coalesce(districts.is_enabled, false)
    or counts.school_year_starts_on <> districts.school_year_starts_on
    or counts.{{ last_date }} > districts.as_of
{%- endmacro %}

{#- A goal that changed makes other weeks of all the weeks that were counted with it. -#}
{% macro is_void_week() -%}
    {{ is_void_count("counted_to") }}
    or counts.weekly_minutes_goal is distinct from (
        select apps.weekly_minutes_goal
        from {{ ref("int_district_apps") }} as apps
        where
            apps.district_id = counts.district_id
            and apps.app_id = counts.app_id
    )
{%- endmacro %}

{#- Of the districts that go on, the students whose window may hold other days than before:
    those with a change since it began. One who has nothing left in the school year leaves. -#}
{% macro forget_stale_windows() -%}
    {%- if is_incremental() -%}
    create or replace temp table stale_windows as
    select changes.district_id, changes.student_id,
    from {{ ref("int_window_changes") }} as changes
    inner join {{ ref("int_districts") }} as districts
        on changes.district_id = districts.district_id
        and changes.usage_date <= districts.as_of
    left join
        (
            select district_id, student_id, max(last_used_on) as last_used_on,
            from {{ ref("int_usage_current") }}
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
