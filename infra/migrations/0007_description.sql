-- Why a task exists. No run needs it.
alter table tasks add column description text check (length(description) <= 2000);
