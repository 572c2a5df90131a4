CREATE TABLE `schedules` (
	`id` text PRIMARY KEY NOT NULL,
	`session` text NOT NULL,
	`chat_id` integer NOT NULL,
	`thread` text,
	`text` text NOT NULL,
	`cron` text,
	`timezone` text NOT NULL,
	`missed` text NOT NULL,
	`due_at` integer NOT NULL,
	`last_at` integer,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`session`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`chat_id`) REFERENCES `chats`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `schedules_due` ON `schedules` (`due_at`);--> statement-breakpoint
CREATE INDEX `schedules_session` ON `schedules` (`session`);--> statement-breakpoint
ALTER TABLE `sessions` ADD `conversation` integer DEFAULT 0 NOT NULL;