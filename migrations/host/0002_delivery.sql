CREATE TABLE `refusals` (
	`n` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`session` text NOT NULL,
	`row_id` text NOT NULL,
	`reason` text,
	`at` integer NOT NULL,
	FOREIGN KEY (`session`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `refusals_session` ON `refusals` (`session`,`n`);--> statement-breakpoint
DROP INDEX `outbox_pending`;--> statement-breakpoint
ALTER TABLE `outbox` ADD `attempts` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `outbox` ADD `due_at` integer;--> statement-breakpoint
ALTER TABLE `outbox` ADD `error_class` text;--> statement-breakpoint
ALTER TABLE `outbox` ADD `error` text;--> statement-breakpoint
ALTER TABLE `outbox` ADD `resent_at` integer;--> statement-breakpoint
ALTER TABLE `outbox` ADD `ended_at` integer;--> statement-breakpoint
ALTER TABLE `outbox` ADD `platform_id` text;--> statement-breakpoint
CREATE INDEX `outbox_unsent` ON `outbox` (`chat_id`,`n`) WHERE status <> 'sent';--> statement-breakpoint
CREATE INDEX `outbox_session` ON `outbox` (`session`,`n`);