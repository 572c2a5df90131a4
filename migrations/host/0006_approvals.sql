CREATE TABLE `approvals` (
	`id` text PRIMARY KEY NOT NULL,
	`group_folder` text,
	`agent` text NOT NULL,
	`method` text NOT NULL,
	`url` text NOT NULL,
	`preview` text,
	`status` text DEFAULT 'waiting' NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`decided_at` integer
);
--> statement-breakpoint
CREATE INDEX `approvals_expiry` ON `approvals` (`expires_at`);