CREATE TABLE `chats` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`channel` text NOT NULL,
	`group_folder` text NOT NULL,
	`chat` text NOT NULL,
	`last_event` integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `chats_address` ON `chats` (`channel`,`group_folder`,`chat`);--> statement-breakpoint
CREATE TABLE `group_users` (
	`folder` text PRIMARY KEY NOT NULL,
	`slot` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `group_users_slot_unique` ON `group_users` (`slot`);--> statement-breakpoint
CREATE TABLE `inbox` (
	`id` text PRIMARY KEY NOT NULL,
	`session` text NOT NULL,
	`seq` integer NOT NULL,
	`chat_id` integer NOT NULL,
	`thread` text,
	`dedup` text,
	`content_hash` text NOT NULL,
	`kind` text NOT NULL,
	`wake` integer DEFAULT 1 NOT NULL,
	`body` text NOT NULL,
	`status` text DEFAULT 'waiting' NOT NULL,
	`attempt` integer DEFAULT 1 NOT NULL,
	`replied` integer DEFAULT 0 NOT NULL,
	`due_at` integer NOT NULL,
	`told_at` integer,
	`created_at` integer NOT NULL,
	`ended_at` integer,
	FOREIGN KEY (`session`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`chat_id`) REFERENCES `chats`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `inbox_order` ON `inbox` (`session`,`seq`);--> statement-breakpoint
CREATE UNIQUE INDEX `inbox_dedup` ON `inbox` (`chat_id`,`dedup`) WHERE dedup IS NOT NULL;--> statement-breakpoint
CREATE INDEX `inbox_waiting` ON `inbox` (`session`,`seq`) WHERE status = 'waiting';--> statement-breakpoint
CREATE TABLE `leases` (
	`session` text PRIMARY KEY NOT NULL,
	`epoch` integer NOT NULL,
	`holder` text NOT NULL,
	`taken_at` integer NOT NULL,
	FOREIGN KEY (`session`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `meta` (
	`key` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `outbox` (
	`n` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`session` text NOT NULL,
	`row_id` text NOT NULL,
	`chat_id` integer NOT NULL,
	`event` integer NOT NULL,
	`type` text NOT NULL,
	`in_reply_to` text,
	`thread` text,
	`body` text NOT NULL,
	`code` text,
	`reason` text,
	`status` text DEFAULT 'pending' NOT NULL,
	`created_at` integer NOT NULL,
	`sent_at` integer,
	FOREIGN KEY (`chat_id`) REFERENCES `chats`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `outbox_row` ON `outbox` (`session`,`row_id`);--> statement-breakpoint
CREATE UNIQUE INDEX `outbox_event` ON `outbox` (`chat_id`,`event`);--> statement-breakpoint
CREATE INDEX `outbox_pending` ON `outbox` (`n`) WHERE status = 'pending';--> statement-breakpoint
CREATE TABLE `sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`group_folder` text NOT NULL,
	`key` text NOT NULL,
	`chat_id` integer,
	`thread` text,
	`state` text DEFAULT 'asleep' NOT NULL,
	`since` integer NOT NULL,
	`last_seq` integer DEFAULT 0 NOT NULL,
	`cursor_file` text,
	`cursor_seq` integer DEFAULT 0 NOT NULL,
	`cursor_usage` integer DEFAULT 0 NOT NULL,
	`failures` integer DEFAULT 0 NOT NULL,
	`error_code` text,
	`error_reason` text,
	`error_at` integer,
	`retry_at` integer,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`chat_id`) REFERENCES `chats`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `sessions_key` ON `sessions` (`group_folder`,`key`);--> statement-breakpoint
CREATE INDEX `sessions_not_asleep` ON `sessions` (`state`) WHERE state <> 'asleep';--> statement-breakpoint
CREATE INDEX `sessions_chat` ON `sessions` (`chat_id`);--> statement-breakpoint
CREATE TABLE `usage` (
	`session` text NOT NULL,
	`file` text NOT NULL,
	`seq` integer NOT NULL,
	`message_id` text,
	`model` text,
	`input_tokens` integer,
	`output_tokens` integer,
	`cache_read_tokens` integer,
	`cache_write_tokens` integer,
	`cost_usd` real,
	`duration_ms` integer,
	`at` integer NOT NULL,
	PRIMARY KEY(`session`, `file`, `seq`)
);
